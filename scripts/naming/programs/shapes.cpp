// Templates, an anonymous namespace, virtual functions, exceptions, local classes, ABI tags.
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

std::size_t run_jobs(std::size_t count);

namespace app {
namespace {

struct shape {
    virtual ~shape() = default;
    virtual std::string name() const = 0;
};

template <int Corners> struct polygon final : shape {
    std::vector<double> angles;
    explicit polygon(double first) { angles.resize(Corners, first); }
    std::string name() const override { return "polygon of " + std::to_string(Corners); }
};

template <typename... Parts> std::string joined(const Parts &...parts)
{
    std::string all;
    ((all += parts, all += ' '), ...);
    return all;
}

std::unique_ptr<shape> make(int corners)
{
    switch (corners) {
    case 3:
        return std::make_unique<polygon<3>>(60.0);
    case 4:
        return std::make_unique<polygon<4>>(90.0);
    }
    throw std::invalid_argument(joined("no such shape:", std::to_string(corners)));
}

} // namespace

struct registry {
    std::map<std::string, std::vector<std::unique_ptr<shape>>> known;

    registry &operator<<(int corners)
    {
        auto one = make(corners);
        known[one->name()].push_back(std::move(one));
        return *this;
    }
    static registry &instance()
    {
        static registry only;
        return only;
    }
};

[[gnu::abi_tag("tagged")]] std::string titled(const std::string &text)
{
    struct local {
        std::string operator()(std::string one) const { return "<" + one + ">"; }
    };
    return local{}(text);
}

} // namespace app

int main(int argc, char **argv)
{
    std::vector<std::string> words(argv, argv + argc);
    auto &all = app::registry::instance();
    try {
        all << 3 << 4 << 3;
        if (argc > 5)
            all << argc;
    } catch (const std::exception &error) {
        std::cerr << error.what() << '\n';
    }
    std::function<std::string(std::size_t)> told = [&words](std::size_t at) {
        auto inner = [at](const auto &list) { return app::titled(list.at(at)); };
        return inner(words);
    };
    for (const auto &[name, shapes] : all.known)
        std::cout << told(0) << name << shapes.size() << run_jobs(shapes.size()) << '\n';
}
