/* Names for people. */
#include "pe/image.h"

const char *pe_machine_name(uint16_t machine)
{
    switch (machine) {
    case PE_MACHINE_UNKNOWN: return "unknown";
    case PE_MACHINE_I386: return "i386";
    case PE_MACHINE_ARM: return "ARM";
    case PE_MACHINE_THUMB: return "Thumb";
    case PE_MACHINE_ARMNT: return "ARM Thumb-2";
    case PE_MACHINE_IA64: return "Itanium";
    case PE_MACHINE_AMD64: return "x86-64";
    case PE_MACHINE_ARM64EC: return "ARM64EC";
    case PE_MACHINE_ARM64X: return "ARM64X";
    case PE_MACHINE_ARM64: return "ARM64";
    }
    return "unknown";
}

const char *pe_subsystem_name(uint16_t subsystem)
{
    switch (subsystem) {
    case PE_SUBSYSTEM_NATIVE: return "native";
    case PE_SUBSYSTEM_WINDOWS_GUI: return "windows";
    case PE_SUBSYSTEM_WINDOWS_CUI: return "console";
    case PE_SUBSYSTEM_OS2_CUI: return "OS/2";
    case PE_SUBSYSTEM_POSIX_CUI: return "POSIX";
    case PE_SUBSYSTEM_NATIVE_WINDOWS: return "native Windows 9x driver";
    case PE_SUBSYSTEM_WINDOWS_CE_GUI: return "Windows CE";
    case PE_SUBSYSTEM_EFI_APPLICATION: return "EFI application";
    case PE_SUBSYSTEM_EFI_BOOT_SERVICE_DRIVER: return "EFI boot driver";
    case PE_SUBSYSTEM_EFI_RUNTIME_DRIVER: return "EFI run-time driver";
    case PE_SUBSYSTEM_EFI_ROM: return "EFI ROM";
    case PE_SUBSYSTEM_XBOX: return "Xbox";
    case PE_SUBSYSTEM_WINDOWS_BOOT_APPLICATION: return "boot application";
    }
    return "unknown";
}

const char *pe_directory_name(unsigned index)
{
    switch (index) {
    case PE_DIRECTORY_EXPORT: return "export";
    case PE_DIRECTORY_IMPORT: return "import";
    case PE_DIRECTORY_RESOURCE: return "resource";
    case PE_DIRECTORY_EXCEPTION: return "exception";
    case PE_DIRECTORY_SECURITY: return "security";
    case PE_DIRECTORY_BASERELOC: return "relocation";
    case PE_DIRECTORY_DEBUG: return "debug";
    case PE_DIRECTORY_ARCHITECTURE: return "architecture";
    case PE_DIRECTORY_GLOBALPTR: return "global pointer";
    case PE_DIRECTORY_TLS: return "TLS";
    case PE_DIRECTORY_LOAD_CONFIG: return "load configuration";
    case PE_DIRECTORY_BOUND_IMPORT: return "bound import";
    case PE_DIRECTORY_IAT: return "IAT";
    case PE_DIRECTORY_DELAY_IMPORT: return "delay import";
    case PE_DIRECTORY_COM_DESCRIPTOR: return "CLR";
    case PE_DIRECTORY_RESERVED: return "reserved";
    }
    return "unknown";
}
