/*
 * system.h: the system object: the one handle to the machine as a whole.
 *
 * Whoever holds it may list processes, power off and open disks, as its rights say.
 */
#pragma once

#include "object/object.h"

extern const struct object_ops system_ops;

void system_init(void);
struct object *system_object(void);             /* the one system object, borrowed */
