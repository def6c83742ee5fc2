/* ucontext.h: the POSIX name of <sys/ucontext.h>. */
#pragma once

#include <sys/ucontext.h>
