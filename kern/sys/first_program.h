/*
 * first_program.h: the one program that the kernel loads itself.
 */
#pragma once

/* Start init from the boot archive; without one, say what is wrong and power off. */
void first_program_start(void);
