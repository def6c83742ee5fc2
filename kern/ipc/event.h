/*
 * event.h: an object with nothing but signals.
 */
#pragma once

#include "object/object.h"

extern const struct object_ops event_ops;
status_t event_create(struct object **out_event);
