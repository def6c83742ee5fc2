/*
 * boot_program.S: the first process' program (user/boot), as the linker laid it out.
 *
 * Text and constants, then on pages of their own data, zeros and a stack.  All of it lies in the
 * kernel's data, whose pages may change hands.
 */
    .data
    .balign 4096
    .globl boot_program, boot_program_data, boot_program_end
boot_program:
    .incbin "build/boot/text"
    .balign 4096
boot_program_data:
    .incbin "build/boot/data"
    .balign 4096
    .skip 0x8000
boot_program_end:
