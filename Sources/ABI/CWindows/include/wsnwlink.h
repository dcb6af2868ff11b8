/* Options of IPX sockets, for sources that ask for them where there is IPX. */
#ifndef NSP_WSNWLINK_H
#define NSP_WSNWLINK_H

#include <winsock2.h>

#define IPX_ADDRESS 0x4007
#define IPX_MAX_ADAPTER_NUM 0x400D

typedef struct _IPX_ADDRESS_DATA {
  INT adapternum;
  UCHAR netnum[4];
  UCHAR nodenum[6];
  BOOLEAN wan;
  BOOLEAN status;
  INT maxpkt;
  ULONG linkspeed;
} IPX_ADDRESS_DATA, *PIPX_ADDRESS_DATA;

NSP_ASSERT_SIZE(IPX_ADDRESS_DATA, 24);
NSP_ASSERT_OFFSET(IPX_ADDRESS_DATA, netnum, 4);
NSP_ASSERT_OFFSET(IPX_ADDRESS_DATA, nodenum, 8);
NSP_ASSERT_OFFSET(IPX_ADDRESS_DATA, wan, 14);
NSP_ASSERT_OFFSET(IPX_ADDRESS_DATA, status, 15);
NSP_ASSERT_OFFSET(IPX_ADDRESS_DATA, maxpkt, 16);
NSP_ASSERT_OFFSET(IPX_ADDRESS_DATA, linkspeed, 20);

#endif
