// SPDX-License-Identifier: MIT
// Managers that are owned by what their own callbacks hold: the last release of it, wherever that happens, destroys the
// manager, and must neither deadlock nor use what is gone.
#include "host.hpp"

namespace {

/** Holds a manager; says when the manager has been destroyed. */
class Owner {
    struct Witness {
        std::atomic<int>& destroyed;
        ~Witness() { ++destroyed; }
    };
    const Witness m_witness;  // goes after the manager

public:
    explicit Owner(std::atomic<int>& destroyed, Delivery delivery, const Options& options = quick())
        : m_witness{destroyed}, manager(options, delivery)
    {
    }

    Manager manager;
};

constexpr Delivery both[] = {Delivery::thread, Delivery::manual};

/** Delivers to a manager of either kind until @p holds; @p owner may go meanwhile. */
bool delivered(const std::weak_ptr<Owner>& owner, Delivery delivery, const std::function<bool()>& holds)
{
    if (delivery == Delivery::thread)
        return becomes(holds);
    for (const auto end = std::chrono::steady_clock::now() + patience; !holds();) {
        if (std::chrono::steady_clock::now() > end)
            return false;
        // As a host does it that keeps no owner of its own.
        Manager* const m = owner.expired() ? nullptr : &owner.lock()->manager;
        if (m != nullptr)
            (void)m->dispatch(1, 100ms);
    }
    return true;
}

const char* watched(Manager& m, bool present = false)
{
    const char* path = Plugin::put(in(scratch(), "plugin.so"));
    EnableOptions o;
    o.deliver_present = present;
    CHECK(m.enable_hot_reload("p", path, o).has_value());
    return path;
}

// The callback removes itself, and with itself the last owner.
void a_reload_callback_that_owns_its_manager()
{
    for (const Delivery delivery : both) {
        std::atomic<int> destroyed{0};
        auto owner = std::make_shared<Owner>(destroyed, delivery);
        const std::weak_ptr<Owner> weak = owner;
        const char* path = watched(owner->manager);
        Manager& m = owner->manager;
        CHECK(m.set_reload_callback([owner](const std::string&) {
                   CHECK(owner->manager.set_reload_callback({}).has_value());
               }).has_value());
        owner.reset();
        CHECK_INT(destroyed.load(), 0);
        replace_version(path, 1);
        CHECK(delivered(weak, delivery, [&] { return destroyed == 1; }));
    }
}

void an_event_callback_that_owns_its_manager()
{
    for (const Delivery delivery : both) {
        std::atomic<int> destroyed{0};
        auto owner = std::make_shared<Owner>(destroyed, delivery);
        const std::weak_ptr<Owner> weak = owner;
        const char* path = watched(owner->manager);
        Manager& m = owner->manager;
        CHECK(m.set_event_callback([owner](const Event&) {
                   CHECK(owner->manager.set_event_callback({}).has_value());
               }).has_value());
        owner.reset();
        replace_version(path, 1);
        CHECK(delivered(weak, delivery, [&] { return destroyed == 1; }));
    }
}

void a_validator_that_owns_its_manager()
{
    for (const Delivery delivery : both) {
        std::atomic<int> destroyed{0};
        Options safe = quick();
        safe.safe.emplace();
        auto owner = std::make_shared<Owner>(destroyed, delivery, safe);
        Manager& m = owner->manager;
        CHECK(m.set_event_callback([](const Event&) {}).has_value());
        CHECK(m.set_validator([owner](const Candidate&) -> std::optional<std::string> {
                   CHECK(owner->manager.set_validator({}).has_value());
                   return std::nullopt;
               }).has_value());
        watched(m, true);
        owner.reset();
        CHECK(becomes([&] { return destroyed == 1; }));
    }
}

// It may not call the library, but what it holds may be released by it.
void a_wakeup_callback_that_owns_its_manager()
{
    std::atomic<int> destroyed{0};
    auto owner = std::make_shared<Owner>(destroyed, Delivery::manual);
    Manager& m = owner->manager;
    CHECK(m.set_event_callback([](const Event&) {}).has_value());
    CHECK(m.set_wakeup_callback([owner]() mutable { owner.reset(); }).has_value());
    const char* path = watched(m);
    owner.reset();
    replace_version(path, 1);
    CHECK(becomes([&] { return destroyed == 1; }));
}

// Outside of any call: setting the next function releases the one before, and with it the manager that is being called.
void the_next_callback_releases_the_last_owner()
{
    for (int slot = 0; slot < 4; ++slot) {
        std::atomic<int> destroyed{0};
        auto owner = std::make_shared<Owner>(destroyed, Delivery::manual);
        Manager& m = owner->manager;
        switch (slot) {
        case 0: CHECK(m.set_reload_callback([owner](const std::string&) {}).has_value()); break;
        case 1: CHECK(m.set_event_callback([owner](const Event&) {}).has_value()); break;
        case 2: CHECK(m.set_wakeup_callback([owner] {}).has_value()); break;
        default:
            CHECK(m.set_validator([owner](const Candidate&) { return std::nullopt; }).has_value());
            break;
        }
        owner.reset();
        CHECK_INT(destroyed.load(), 0);
        switch (slot) {
        case 0: (void)m.set_reload_callback({}); break;
        case 1: (void)m.set_event_callback({}); break;
        case 2: (void)m.set_wakeup_callback({}); break;
        default: (void)m.set_validator({}); break;
        }
        CHECK(becomes([&] { return destroyed == 1; }));
    }
}

void an_exception_handler_that_owns_its_manager()
{
    std::atomic<int> destroyed{0};
    auto owner = std::make_shared<Owner>(destroyed, Delivery::thread);
    Manager& m = owner->manager;
    CHECK(m.set_reload_callback([](const std::string&) { throw 7; }).has_value());
    m.set_exception_handler([owner](const std::string&, const std::exception_ptr&) {
        owner->manager.set_exception_handler({});
    });
    const char* path = watched(m);
    owner.reset();
    replace_version(path, 1);
    CHECK(becomes([&] { return destroyed == 1; }));
}

}  // namespace

int main()
{
    RUN(a_reload_callback_that_owns_its_manager);
    RUN(an_event_callback_that_owns_its_manager);
    RUN(a_validator_that_owns_its_manager);
    RUN(a_wakeup_callback_that_owns_its_manager);
    RUN(the_next_callback_releases_the_last_owner);
    RUN(an_exception_handler_that_owns_its_manager);
    DONE();
}
