/* The installation blob of an e-mail name space provider: which domains it serves. Offsets count bytes from the blob's start.
   (nsp.md 13.1) */
#ifndef NSP_NSEMAIL_H
#define NSP_NSEMAIL_H

#include "windef.h"

typedef enum _NAPI_PROVIDER_TYPE { ProviderType_Application = 1, ProviderType_Service = 2 } NAPI_PROVIDER_TYPE;

typedef enum _NAPI_PROVIDER_LEVEL {
  ProviderLevel_None = 0,
  ProviderLevel_Secondary = 1,
  ProviderLevel_Primary = 2
} NAPI_PROVIDER_LEVEL;

typedef struct _NAPI_DOMAIN_DESCRIPTION_BLOB {
  DWORD AuthLevel;
  DWORD cchDomainName;
  DWORD OffsetNextDomainDescription;
  DWORD OffsetThisDomainName;
} NAPI_DOMAIN_DESCRIPTION_BLOB, *PNAPI_DOMAIN_DESCRIPTION_BLOB;

NSP_ASSERT_SIZE(NAPI_DOMAIN_DESCRIPTION_BLOB, 16);
NSP_ASSERT_OFFSET(NAPI_DOMAIN_DESCRIPTION_BLOB, AuthLevel, 0);
NSP_ASSERT_OFFSET(NAPI_DOMAIN_DESCRIPTION_BLOB, cchDomainName, 4);
NSP_ASSERT_OFFSET(NAPI_DOMAIN_DESCRIPTION_BLOB, OffsetNextDomainDescription, 8);
NSP_ASSERT_OFFSET(NAPI_DOMAIN_DESCRIPTION_BLOB, OffsetThisDomainName, 12);

typedef struct napi_provider_installation_blob_tag {
  DWORD dwVersion;
  DWORD dwProviderType;
  DWORD fSupportsWildCard;
  ULONG cDomains;
  ULONG OffsetFirstDomain;
} NAPI_PROVIDER_INSTALLATION_BLOB, *PNAPI_PROVIDER_INSTALLATION_BLOB;

NSP_ASSERT_SIZE(NAPI_PROVIDER_INSTALLATION_BLOB, 20);
NSP_ASSERT_OFFSET(NAPI_PROVIDER_INSTALLATION_BLOB, dwVersion, 0);
NSP_ASSERT_OFFSET(NAPI_PROVIDER_INSTALLATION_BLOB, dwProviderType, 4);
NSP_ASSERT_OFFSET(NAPI_PROVIDER_INSTALLATION_BLOB, fSupportsWildCard, 8);
NSP_ASSERT_OFFSET(NAPI_PROVIDER_INSTALLATION_BLOB, cDomains, 12);
NSP_ASSERT_OFFSET(NAPI_PROVIDER_INSTALLATION_BLOB, OffsetFirstDomain, 16);

#endif
