/* What a provider in Swift gives the room NSPProvider, which has the routines of NSPv2 for it. */
#ifndef NSP_CPROVIDER_H
#define NSP_CPROVIDER_H

#include "nsphost.h"

/* Makes the provider: a retained ProviderBox, or NULL with the code in *lpiError. Called once where it succeeds, by NSPProviderPrepare or on
   the thread of the first routine, inside that. Every provider's file defines it. */
LPVOID nsp_provider_create(LPGUID lpProviderId, LPINT lpiError);

#endif
