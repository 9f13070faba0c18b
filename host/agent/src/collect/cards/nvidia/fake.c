/* A stand-in for NVIDIA's management library, for tests: two cards, of which the second fell off the bus. Signatures are
 * those of NVML's reference. -DINIT=n has it start with that error; -DOLD leaves out what drivers before 510 lack;
 * -DHANG never answers how many cards there are. */

#include <string.h>
#include <unistd.h>

#ifndef INIT
#define INIT 0
#endif
enum { OK = 0, NOT_SUPPORTED = 3, NOT_FOUND = 6, GPU_IS_LOST = 15 };

typedef const char *device;
static const char card[] = "card", lost[] = "lost";

typedef struct {
    char legacy[16];
    unsigned domain, bus, device, ids, subsystem;
    char bus_id[32];
} pci;
typedef struct { unsigned version; unsigned long long total, reserved, free, used; } memory;
typedef struct { unsigned gpu, memory; } rates;

int nvmlInit_v2(void) { return INIT; }
int nvmlShutdown(void) { return OK; }
int nvmlDeviceGetCount_v2(unsigned *count) {
#ifdef HANG
    for (;;) pause();
#endif
    *count = 2;
    return OK;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned index, device *out) { *out = index ? lost : card; return OK; }
int nvmlDeviceGetPciInfo_v3(device it, pci *out) {
    if (it == lost) return GPU_IS_LOST;
    memset(out, 0, sizeof *out);
    out->bus = 1;
    strcpy(out->bus_id, "00000000:01:00.0");
    return OK;
}
int nvmlDeviceGetName(device it, char *out, unsigned length) { strncpy(out, "NVIDIA Fake", length); return OK; }
#ifndef OLD
int nvmlDeviceGetMemoryInfo_v2(device it, memory *out) {
    out->total = 24ull << 30, out->reserved = 1ull << 29, out->free = 6ull << 30;
    out->used = out->total - out->reserved - out->free;
    return OK;
}
#endif
int nvmlDeviceGetUtilizationRates(device it, rates *out) { out->gpu = 42, out->memory = 7; return OK; }
int nvmlDeviceGetTemperature(device it, int sensor, unsigned *out) { *out = 97; return OK; }
int nvmlDeviceGetTemperatureThreshold(device it, int which, unsigned *out) { *out = 98; return OK; }
int nvmlDeviceGetCurrentClocksThrottleReasons(device it, unsigned long long *out) { *out = 0x20; return OK; }
int nvmlDeviceGetPowerUsage(device it, unsigned *out) { return NOT_SUPPORTED; }
int nvmlDeviceGetProcessUtilization(device it, void *out, unsigned *count, unsigned long long since) {
    return NOT_FOUND;
}
