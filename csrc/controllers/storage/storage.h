/*
 * controllers/storage/storage.h - the components that give pods their volumes.
 */
#ifndef KS_CONTROLLERS_STORAGE_STORAGE_H
#define KS_CONTROLLERS_STORAGE_STORAGE_H

#include "engine/sim.h"

/* Binds claims to volumes, releases and reclaims them: kube-controller-manager's persistentvolume controller. */
extern const ks_component ks_volume_binder;
/* Makes and deletes the volumes of dynamic classes: an external provisioner, of every provisioner name outside kubernetes.io/. */
extern const ks_component ks_volume_provisioner;
/* Attaches volumes to the nodes whose pods want them: attachdetach controller and external attacher. */
extern const ks_component ks_attachdetach_controller;
/* Holds claims and volumes in use: pvc-protection and pv-protection controllers. */
extern const ks_component ks_volume_protection;
/* Makes the claims of pods' ephemeral volumes: kube-controller-manager's ephemeral volume controller. */
extern const ks_component ks_ephemeral_volumes;
/* Says of claims that ask for more than they have that somebody else is waited for: kube-controller-manager's expand controller. */
extern const ks_component ks_volume_expander;

#endif
