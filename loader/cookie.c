/* The security cookie: the value that functions of Microsoft's compiler leave below their return address and look for
 * again. A linker stores a well-known one; the loader makes it unpredictable before any code of the image runs. */
#include "loader/load.h"
#include "pe/loadconfig.h"

#include <string.h>

/* One step of splitmix64: neighbouring seeds give unrelated values. */
static uint64_t mix(uint64_t value)
{
    value += 0x9e3779b97f4a7c15u;
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9u;
    value = (value ^ value >> 27) * 0x94d049bb133111ebu;
    return value ^ value >> 31;
}

/* Only a cookie that still has its default is replaced. The new one has as many bits as the default, one 16 less in 64
 * bits: its upper half word stays zero, so that a string that runs over it ends there. 0: leave it. */
static uint64_t new_cookie(uint64_t old, uint64_t random)
{
    uint64_t bits;
    switch (old) {
    case PE_SECURITY_COOKIE_DEFAULT16: bits = 0xffff; break;
    case PE_SECURITY_COOKIE_DEFAULT32: bits = 0xffffffff; break;
    case PE_SECURITY_COOKIE_DEFAULT64: bits = 0xffffffffffff; break;
    default: return 0;
    }
    random &= bits;
    return random == 0 || random == old ? old ^ 1 : random;
}

bool ld_cookie(struct loader *loader, struct ld_module *module, struct ld_error *error)
{
    struct pe_load_config config;
    struct pe_error pe = {0};
    uint64_t old = 0;
    uint32_t width = module->image.is_64 ? 8 : 4;

    /* A load configuration that cannot be read keeps nobody from loading; its image keeps its cookie. */
    if (!loader->random || !pe_load_config_read(&module->image, pe_va_at(module->base), &config, &pe) ||
        !config.cookie.value)
        return true;
    uint8_t *at = loader->host->vm_at(loader->host, module->base + config.cookie.value, width);
    memcpy(&old, at, width);
    loader->random = mix(loader->random ^ module->base);
    uint64_t cookie = new_cookie(old, loader->random);
    if (!cookie)
        return true;
    enum host_result result = ld_module_writable(loader, module, config.cookie, width);
    if (result != HOST_OK)
        return ld_fail_host(error, LD_RELOCATE, module, result, "the security cookie cannot be made writable");
    memcpy(at, &cookie, width);
    LD_TRACE(loader->trace, LD_RELOCATE, .verb = "cookie", .module = module->name,
             .address = module->base + config.cookie.value, .size = width, .detail = "made unpredictable");
    return true;
}
