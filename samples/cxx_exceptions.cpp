// C++ exceptions: what is thrown arrives where it should, and every object on the way is destroyed, innermost first.
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>

namespace {

struct Witness {
    const char *name;
    explicit Witness(const char *text) : name(text) { std::printf("  %s is made\n", name); }
    Witness(const Witness &) = delete;
    Witness &operator=(const Witness &) = delete;
    ~Witness() { std::printf("  %s is destroyed\n", name); }
};

__attribute__((noinline)) void throw_from(int depth)
{
    Witness witness(depth == 0 ? "innermost" : depth == 1 ? "middle" : "outermost");
    if (depth == 0)
        throw std::runtime_error("thrown three frames below");
    throw_from(depth - 1);
}

void across_functions()
{
    std::puts("across functions:");
    try {
        throw_from(2);
    } catch (const std::exception &error) {
        std::printf("  caught std::exception: %s\n", error.what());
    }
}

void nested_and_rethrown()
{
    std::puts("nested and rethrown:");
    try {
        Witness outer("outer try");
        try {
            Witness inner("inner try");
            throw 17;
        } catch (int number) {
            std::printf("  inner catch has int %d\n", number);
            throw;
        }
    } catch (int number) {
        std::printf("  outer catch has int %d\n", number);
    }
}

void replaced_in_catch()
{
    std::puts("replaced in a catch:");
    try {
        try {
            throw std::string("first");
        } catch (const std::string &text) {
            throw std::out_of_range(text + ", then second");
        }
    } catch (const std::logic_error &error) {
        std::printf("  caught logic_error: %s\n", error.what());
    }
}

void unknown_type()
{
    std::puts("of a type that nobody names:");
    struct Private { Witness witness{"thrown object"}; };
    try {
        try {
            throw Private();
        } catch (const std::exception &) {
            std::puts("  never here");
        }
    } catch (...) {
        std::puts("  caught by ...");
    }
}

void half_built_object()
{
    std::puts("out of a constructor:");
    struct Whole {
        Witness first{"first member"};
        std::unique_ptr<Witness> second{new Witness("second member")};
        Whole() { throw 3.5; }
    };
    try {
        Whole whole;
    } catch (double number) {
        std::printf("  caught double %.1f\n", number);
    }
}

void kept_for_later()
{
    std::puts("kept and thrown again later:");
    std::exception_ptr kept;
    try {
        throw std::runtime_error("kept");
    } catch (...) {
        kept = std::current_exception();
    }
    try {
        std::rethrow_exception(kept);
    } catch (const std::runtime_error &error) {
        std::printf("  caught again: %s\n", error.what());
    }
}

int many_times()
{
    int caught = 0;
    for (int i = 0; i < 1000; i++) {
        try {
            throw i;
        } catch (int number) {
            caught += number == i;
        }
    }
    return caught;
}

}

int main()
{
    across_functions();
    nested_and_rethrown();
    replaced_in_catch();
    unknown_type();
    half_built_object();
    kept_for_later();
    int caught = many_times();
    std::printf("a thousand in a loop: %d caught\n", caught);
    return caught == 1000 ? 0 : 1;
}
