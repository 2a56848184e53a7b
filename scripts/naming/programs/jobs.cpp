// Algorithms with lambdas, threads, and containers that another file uses as well.
#include <algorithm>
#include <memory>
#include <numeric>
#include <set>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

namespace {

struct job {
    std::shared_ptr<std::string> text;
    std::size_t weight;
};

template <typename Key> auto by(Key key)
{
    return [key](const job &one, const job &other) { return key(one) < key(other); };
}

std::vector<job> made(std::size_t count)
{
    std::vector<job> all;
    for (std::size_t i = 0; i < count; i++)
        all.push_back({std::make_shared<std::string>(i * 7, 'x'), i * 31 % 17});
    std::sort(all.begin(), all.end(), by([](const job &one) { return one.weight; }));
    std::stable_sort(all.begin(), all.end(), by([](const job &one) { return one.text->size(); }));
    return all;
}

} // namespace

std::size_t run_jobs(std::size_t count)
{
    auto all = made(count);
    std::unordered_map<std::string, std::set<std::size_t>> weights;
    std::thread worker([&] {
        for (auto &one : all)
            weights[*one.text].insert(one.weight);
    });
    worker.join();
    return std::accumulate(weights.begin(), weights.end(), std::size_t{0},
                           [](std::size_t sum, const auto &pair) { return sum + pair.second.size(); });
}
