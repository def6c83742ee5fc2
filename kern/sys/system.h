/*
 * system.h: the system object, the one handle to the machine as a whole, and the first program, which gets it.
 *
 * Whoever holds the handle may list processes, power off and open disks, as its rights say.
 */
#pragma once

#include "object/object.h"

void system_init(void);
extern struct object system_object;             /* the only one */
extern struct object default_pager_object;      /* likewise: who has a handle may make backing stores, list and open them */

/* Start the boot program, which starts the first program of the boot archive (first_program.c). */
void first_program_start(void);
