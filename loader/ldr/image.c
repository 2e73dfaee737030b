/* What ntdll tells of an image's headers, where Windows' answer is another. */
#include "loader/ldr/ldr.h"

enum { RESOURCES = 2, RESOURCE_DIRECTORY_SIZE = 16, MAGIC_64 = 0x20b };
enum { OPTIONAL = 24, SIZE_OF_HEADERS = OPTIONAL + 60, NUMBER_32 = OPTIONAL + 92, NUMBER_64 = OPTIONAL + 108 };

static ULONG read32(const UCHAR *at) { return *(const ULONG *)at; }

/* Wine's resource functions ask here and find nothing in a directory that says its Size is below 16; Windows' do not look
 * at the Size, and packers write 0. So no resource directory is smaller than its own first bytes. */
EXPORT void *NTAPI RtlImageDirectoryEntryToData(void *base, BOOLEAN mapped, USHORT directory, ULONG *size)
{
    if ((uintptr_t)base & 1) /* a handle of LOAD_LIBRARY_AS_DATAFILE: the file as it is */
        mapped = 0;
    base = (void *)((uintptr_t)base & ~(uintptr_t)3); /* bit 1: LOAD_LIBRARY_AS_IMAGE_RESOURCE */
    const UCHAR *headers = RtlImageNtHeader(base);
    if (!headers)
        return NULL;
    ULONG number = *(const USHORT *)(headers + OPTIONAL) == MAGIC_64 ? NUMBER_64 : NUMBER_32;
    const UCHAR *entry = headers + number + 4 + 8 * directory;
    if (directory >= read32(headers + number) || !read32(entry))
        return NULL;
    *size = read32(entry + 4);
    if (directory == RESOURCES && *size < RESOURCE_DIRECTORY_SIZE)
        *size = RESOURCE_DIRECTORY_SIZE;
    if (mapped || read32(entry) < read32(headers + SIZE_OF_HEADERS))
        return (char *)base + read32(entry);
    return RtlImageRvaToVa(headers, base, read32(entry), NULL);
}
