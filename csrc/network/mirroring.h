/*
 * network/mirroring.h - the EndpointSlice mirroring controller: slices for Endpoints that a person
 * wrote.
 */
#ifndef KS_NETWORK_MIRRORING_H
#define KS_NETWORK_MIRRORING_H

#include "engine/sim.h"

extern const ks_component ks_endpointslicemirroring_controller;

#endif
