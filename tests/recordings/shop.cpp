/* shop: a made-up shop under load, for the recording that tests and the README's picture are made of.
 * Says "ready", waits for a line or the end of stdin, then runs until it is killed. A tick is 10 ms.
 * Known answer, by who keeps the memory:
 *   Sessions::open        leaks 6 sessions of 400 bytes a tick: grows all the time, evenly
 *   Orders::import        leaks 1.2 MB in one moment every 20 s: bursts
 *   Server::cart          leaks 40 bytes and a list node every second tick, in a lambda: grows slowly
 *   Server::page, Lru     pages of 4 to 12 KB, 1,500 at most: fills in 15 s, then evicts one for each
 *   Catalog::load         tables of the start, load_prices its map: steady
 *   Server::search        strings of a request, freed at its end: churn
 *   Server::render        a page of 20 KB a request, freed at its end: churn
 *   Pool::grow            slabs of 64 KB while more orders are open than ever; none goes back
 *   Orders::wave          opens orders for half a minute, closes them in the next: a sawtooth
 *   AccessLog::append     one buffer that realloc doubles, cut every 30 s by rotate
 *   Metrics::observe      one row of a histogram every ten seconds: nearly steady */
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <forward_list>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <unistd.h>
#include <unordered_map>
#include <vector>

#define NOINLINE __attribute__((noinline))

namespace shop {

using Tick = std::uint64_t;

namespace sessions {

struct Session {
    char user[368];
    Session *next;
    Tick seen;
    std::uint64_t flags[2];
};

class Sessions {
public:
    NOINLINE Session *open(Tick now)
    {
        auto *session = new Session{};
        session->seen = now;
        session->next = last_; // never taken off this list
        return last_ = session;
    }

private:
    Session *last_ = nullptr;
};

} // namespace sessions

namespace cache {

template <class Key, class Value> class Lru {
public:
    using Make = std::function<Value(const Key &)>;

    explicit Lru(std::size_t most) : most_(most) {}

    NOINLINE Value &get(const Key &key, const Make &make)
    {
        auto found = index_.find(key);
        if (found != index_.end())
            return found->second->second;
        order_.emplace_front(key, make(key));
        index_[key] = order_.begin();
        if (order_.size() > most_) {
            index_.erase(order_.back().first);
            order_.pop_back();
        }
        return order_.front().second;
    }

private:
    std::size_t most_;
    std::list<std::pair<Key, Value>> order_;
    std::unordered_map<Key, typename std::list<std::pair<Key, Value>>::iterator> index_;
};

} // namespace cache

namespace catalog {

struct Article {
    std::string title;
    std::vector<std::uint32_t> tags;
};

class Catalog {
public:
    NOINLINE void load(int articles)
    {
        articles_.reserve(articles);
        for (int i = 0; i < articles; i++)
            articles_.push_back({"article number " + std::to_string(100000 + i) + " of the summer sale",
                                 std::vector<std::uint32_t>(48 + i % 16)});
        load_prices(articles);
    }

    const Article &at(std::size_t i) const { return articles_[i % articles_.size()]; }

private:
    NOINLINE void load_prices(int articles)
    {
        for (int i = 0; i < articles; i++)
            prices_.emplace(i, 100 + i % 900);
    }

    std::vector<Article> articles_;
    std::map<int, int> prices_;
};

} // namespace catalog

namespace orders {

template <std::size_t Size> class Pool {
public:
    NOINLINE void *take()
    {
        if (free_.empty())
            grow();
        void *piece = free_.back();
        free_.pop_back();
        return piece;
    }

    void give(void *piece) { free_.push_back(piece); }

private:
    NOINLINE void grow()
    {
        slabs_.push_back(std::make_unique<char[]>(64 << 10));
        for (std::size_t at = 0; at + Size <= 64 << 10; at += Size)
            free_.push_back(slabs_.back().get() + at);
    }

    std::vector<std::unique_ptr<char[]>> slabs_;
    std::vector<void *> free_;
};

struct Order {
    std::string customer;
    std::vector<int> items;
    void *slip;
};

class Orders {
public:
    NOINLINE void import(const char *)
    {
        auto *rows = new std::vector<std::string>; // the caller thinks that they are borrowed
        rows->reserve(2000);
        for (int i = 0; i < 2000; i++)
            rows->emplace_back(600, 'r');
        imported_ = rows;
    }

    NOINLINE void wave(Tick now)
    {
        const Tick phase = now % 6000;
        if (phase < 3000 && now % 2 == 0)
            open_.push_back({std::string(80, 'c'), std::vector<int>(220), slips_.take()});
        else if (phase >= 3000 && !open_.empty() && now % 2 == 0)
            close_first();
    }

private:
    void close_first()
    {
        slips_.give(open_.front().slip);
        open_.pop_front();
    }

    std::vector<std::string> *imported_ = nullptr;
    std::deque<Order> open_;
    Pool<2048> slips_;
};

} // namespace orders

namespace web {

class AccessLog {
public:
    NOINLINE void append(const std::string &line)
    {
        if (used_ + line.size() > room_) {
            room_ = room_ ? room_ * 2 : 4096;
            text_ = static_cast<char *>(std::realloc(text_, room_));
        }
        std::memcpy(text_ + used_, line.data(), line.size());
        used_ += line.size();
    }

    NOINLINE void rotate()
    {
        used_ = 0;
        room_ = 4096;
        text_ = static_cast<char *>(std::realloc(text_, room_));
    }

private:
    char *text_ = nullptr;
    std::size_t used_ = 0, room_ = 0;
};

class Metrics {
public:
    NOINLINE void observe(Tick now) { rows_[now / 1000] += now % 7; }

private:
    std::map<Tick, double> rows_;
};

struct Request {
    Tick now;
    std::string path;
};

class Server {
public:
    void start(int articles)
    {
        catalog_.load(articles);
        routes_["/cart"] = [this](const Request &request) { cart(request); };
        routes_["/search"] = [this](const Request &request) { search(request); };
        routes_["/page"] = [this](const Request &request) { page(request); };
    }

    NOINLINE void handle(const Request &request)
    {
        routes_.at(request.path)(request);
        log_.append(request.path + " 200 " + std::to_string(request.now) + " 0.004 shop.example\n");
    }

    NOINLINE void tick(Tick now)
    {
        for (int i = 0; i < 6; i++)
            sessions_.open(now);
        for (const char *path : {"/cart", "/search", "/page"})
            handle({now, path});
        orders_.wave(now);
        metrics_.observe(now);
        if (now % 2000 == 400)
            orders_.import("/srv/shop/import/orders.csv");
        if (now % 3000 == 2999)
            log_.rotate();
    }

private:
    NOINLINE void cart(const Request &request)
    {
        const auto remember = [this](Tick now) { watchers_.push_front(new std::array<Tick, 5>{now}); };
        if (request.now % 2 == 0)
            remember(request.now);
    }

    NOINLINE void search(const Request &request)
    {
        std::vector<std::string> terms;
        for (int i = 0; i < 8; i++)
            terms.push_back(catalog_.at(request.now * 8 + i).title + " near me");
        sink_ = terms.size();
    }

    NOINLINE void page(const Request &request)
    {
        const std::string key = "page/" + std::to_string(request.now * 7919 % 100003);
        const std::string &body = pages_.get(key, [&](const std::string &name) {
            return std::string(4096 + request.now * 613 % 8192, name.back());
        });
        render(body);
    }

    NOINLINE void render(const std::string &body)
    {
        std::vector<char> out(20 << 10);
        std::memcpy(out.data(), body.data(), body.size());
        sink_ = out[body.size() / 2];
    }

    catalog::Catalog catalog_;
    sessions::Sessions sessions_;
    orders::Orders orders_;
    cache::Lru<std::string, std::string> pages_{1500};
    std::map<std::string, std::function<void(const Request &)>> routes_;
    std::forward_list<std::array<Tick, 5> *> watchers_;
    AccessLog log_;
    Metrics metrics_;
    volatile std::size_t sink_ = 0;
};

} // namespace web
} // namespace shop

int main()
{
    std::puts("ready");
    std::fflush(stdout);
    std::getchar(); // the tables of the start are made when somebody watches
    // A rehearsal first: the stacks of the big tables are whole when their unwind rules are there.
    for (int articles : {10, 9000}) {
        shop::web::Server server;
        server.start(articles);
        for (shop::Tick now = 0; articles > 10 || now < 20; now++) {
            server.tick(now);
            usleep(10 * 1000);
        }
        usleep(500 * 1000);
    }
}
