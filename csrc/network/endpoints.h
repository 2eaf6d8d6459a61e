/*
 * network/endpoints.h - the Endpoints controller.
 */
#ifndef KS_NETWORK_ENDPOINTS_H
#define KS_NETWORK_ENDPOINTS_H

#include "engine/sim.h"

extern const ks_component ks_endpoints_controller;

#endif
