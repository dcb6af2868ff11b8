/* A version 1 provider whose NSPStartup does not return. */
#include <nsphost.h>
#include <unistd.h>

NSP_PROVIDER("never-starts", NS_DNS, 1, 0, "", 0x5e71a1ff, 0x0001, 0x4000, 0x80, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01);

NSP_EXPORT INT NSPStartup(LPGUID id, LPNSP_ROUTINE table) {
  (void)id, (void)table;
  for (;;) pause();
}
