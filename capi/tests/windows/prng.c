/* SPDX-License-Identifier: MIT */
/* bcryptprimitives.dll: Go's runtime takes its random numbers from there, and
 * Wine before version 9 has no such library. */
#include <windows.h>
#include <ntsecapi.h>

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T n)
{
    return RtlGenRandom(data, (ULONG)n);
}
