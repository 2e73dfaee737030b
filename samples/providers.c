/* System DLLs that load others by their own decision: sockets, and two kinds of providers of cryptography. */
#include <winsock2.h>
#include <windows.h>
#include <bcrypt.h>
#include <wincrypt.h>
#include "sample.h"

static int is_sha256_of_abc(const BYTE *hash, DWORD size)
{
    static const BYTE known[32] = { /* FIPS 180-2, appendix B.1 */
        0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
        0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad };

    return size == sizeof known && !memcmp(hash, known, sizeof known);
}

int main(void)
{
    static BYTE text[] = "abc";
    BYTE hash[32];
    DWORD size = sizeof hash;
    WSADATA data;
    HCRYPTPROV provider = 0;
    HCRYPTHASH hasher = 0;
    BCRYPT_ALG_HANDLE algorithm = NULL;
    BCRYPT_HASH_HANDLE other = NULL;

    check("WSAStartup", !WSAStartup(MAKEWORD(2, 2), &data));
    SOCKET socket_made = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
    check("a socket", socket_made != INVALID_SOCKET);
    check("which is closed once", !closesocket(socket_made) && closesocket(socket_made) == SOCKET_ERROR);
    WSACleanup();

    check("a provider that advapi32 loads", CryptAcquireContextA(&provider, NULL, NULL, PROV_RSA_AES, CRYPT_VERIFYCONTEXT));
    check("SHA-256 by it", CryptCreateHash(provider, CALG_SHA_256, 0, 0, &hasher) && CryptHashData(hasher, text, 3, 0) &&
                               CryptGetHashParam(hasher, HP_HASHVAL, hash, &size, 0) && is_sha256_of_abc(hash, size));
    CryptDestroyHash(hasher);
    CryptReleaseContext(provider, 0);

    memset(hash, 0, sizeof hash);
    check("a provider that bcrypt has", !BCryptOpenAlgorithmProvider(&algorithm, BCRYPT_SHA256_ALGORITHM, NULL, 0));
    check("SHA-256 by it", !BCryptCreateHash(algorithm, &other, NULL, 0, NULL, 0, 0) && !BCryptHashData(other, text, 3, 0) &&
                               !BCryptFinishHash(other, hash, sizeof hash, 0) && is_sha256_of_abc(hash, sizeof hash));
    return sample_wrong_facts;
}
