/*
 * fp.S: the floating-point registers of user threads.
 *
 * The kernel itself is compiled without floating point; this file alone is assembled with it.
 * sstatus.FS is not "off" when these are called.
 */
    .macro each_fp operation
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    \operation f\n, \n * 8(a0)
    .endr
    .endm

    .text
/* void fp_save(uint64_t registers[33]) */
    .globl  fp_save
fp_save:
    each_fp fsd
    frcsr   t0
    sd      t0, 256(a0)
    ret

/* void fp_restore(const uint64_t registers[33]) */
    .globl  fp_restore
fp_restore:
    each_fp fld
    ld      t0, 256(a0)
    fscsr   t0
    ret

/* void fp_clear(void): nothing of another thread's values stays. */
    .globl  fp_clear
fp_clear:
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    fmv.d.x f\n, zero
    .endr
    fscsr   zero
    ret
