# Quire.  `make help` lists the targets; docs/building.md explains them.

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:

# Every build is parallel unless -j says otherwise.
ifeq ($(MAKELEVEL),0)
ifeq ($(filter -j% --jobs%,$(MAKEFLAGS)),)
MAKEFLAGS += -j$(shell nproc 2>/dev/null || echo 2)
endif
endif

# `make setup qemu` on a bare machine: nothing else may look for a tool before setup has run, so the
# other goals are left to a second make.
ifneq ($(filter setup,$(MAKECMDGOALS)),)

OTHER_GOALS := $(filter-out setup,$(MAKECMDGOALS))
.PHONY: setup $(OTHER_GOALS)
setup:
	@CROSS=$(CROSS) sh mkfs/tools.sh install
	@$(if $(OTHER_GOALS),$(MAKE) --no-print-directory $(OTHER_GOALS))
$(OTHER_GOALS): setup
	@:

else

# --- Parameters -----------------------------------------------------------------------------------

CPUS   ?= 2
MEM    ?= 128M
APPEND ?=
FILES  ?=
CROSS  ?= riscv64-unknown-elf-
V      ?=
export CROSS

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-8s %s\n' "$(1)" "$(2)")

# --- Compilers ------------------------------------------------------------------------------------

WARNINGS     := -Wall -Wextra -Werror
KERNEL_FLAGS := -std=gnu11 -O2 -g $(WARNINGS) -ffreestanding -fno-common \
                -fno-delete-null-pointer-checks -fno-omit-frame-pointer \
                -mabi=lp64 -mcmodel=medany -msmall-data-limit=0 -Ikern -MMD -MP

# gcc is the reference; `make CC=clang kernel` uses clang and objects of its own.
ifneq ($(findstring clang,$(CC)),)
COMPILER    := clang
KERNEL_CC   := $(CC) --target=riscv64-unknown-elf -mno-relax
KERNEL_ARCH := -march=rv64imac
KERNEL      := build/quire-clang.elf
else
COMPILER    := gcc
KERNEL_CC   := $(CROSS)gcc
KERNEL_ARCH := -march=rv64imac_zicsr_zifencei
KERNEL      := build/quire.elf
endif

USER_CC    := $(CROSS)gcc
USER_ARCH  := -specs=picolibc.specs -march=rv64gc -mabi=lp64d -mcmodel=medany
USER_FLAGS := $(USER_ARCH) -std=gnu11 -O2 -g -msmall-data-limit=128 $(WARNINGS) -ffunction-sections -fdata-sections \
              -Ikern -Iuser/include -MMD -MP
USER_LINK   = $(USER_ARCH) -nostartfiles -static -T user/user.ld -Wl,--gc-sections \
              -Wl,--build-id=none -Wl,-z,max-page-size=4096 \
              $(WRAPPED:%=-Wl,--wrap=%)
# Functions of the C library around which user/lib/stdio.c puts something.
WRAPPED    := vfprintf vfscanf fputs puts fwrite fread fgets fdopen fclose fflush exit

# Tools are checked once, and again when the check itself changes.
TOOLS := build/.tools-checked

all: kernel user image

$(TOOLS): mkfs/tools.sh
	$(Q)sh mkfs/tools.sh check
	$(Q)mkdir -p $(@D) && touch $@

# --- Kernel ---------------------------------------------------------------------------------------

KERNEL_SOURCES := $(sort $(wildcard kern/*.c kern/*/*.c kern/*/*.S arch/riscv/*.c arch/riscv/*.S))
KERNEL_OBJECTS := $(KERNEL_SOURCES:%=build/$(COMPILER)/%.o)

# fp.S alone may touch the floating-point registers.
build/$(COMPILER)/arch/riscv/fp.S.o: KERNEL_ARCH := -march=rv64gc
build/$(COMPILER)/arch/riscv/%.o: KERNEL_FLAGS += -Iarch/riscv
# The dispatcher of system calls has no frame of its own: backtraces begin at the call.
build/$(COMPILER)/kern/sys/syscall.c.o: KERNEL_FLAGS += -fomit-frame-pointer
# memcpy and its like are not made of calls of themselves; -ffreestanding is enough for clang.
build/gcc/kern/lib/string.c.o: KERNEL_FLAGS += -fno-tree-loop-distribute-patterns

build/$(COMPILER)/%.o: % Makefile | $(TOOLS)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(KERNEL_CC) $(KERNEL_ARCH) $(KERNEL_FLAGS) -c -o $@ $<

# The first process' program, as boot_program.S includes it: what may not be written, then the rest, zeros and all.
BOOT_READ_ONLY := .text .rodata .init_array .fini_array .eh_frame
build/boot/text build/boot/data: build/symbols/boot
	$(Q)mkdir -p $(@D)
	$(Q)$(CROSS)objcopy -O binary $(if $(filter %/text,$@),$(BOOT_READ_ONLY:%=-j %),\
	    $(BOOT_READ_ONLY:%=-R %) --set-section-flags .bss=alloc,load,contents) $< $@
build/$(COMPILER)/kern/sys/boot_program.S.o: build/boot/text build/boot/data

$(KERNEL): $(KERNEL_OBJECTS) linker.ld
	$(call say,LD,$@)
	$(Q)$(CROSS)gcc -march=rv64imac -mabi=lp64 -nostdlib -static -T linker.ld -Wl,--build-id=none \
	    -Wl,-z,max-page-size=4096 -Wl,-Map=$(@:.elf=.map) -o $@ $(KERNEL_OBJECTS) -lgcc

kernel: $(KERNEL)

# --- User programs --------------------------------------------------------------------------------
# Every .c file in bin, tests, bench and demo is a program, and so is every folder of bin, demo and fs.
# A program's path in the boot archive is sbin/init, tests/NAME, bench/NAME, or bin/NAME.

user_objects = $(patsubst %,build/%.o,$(sort $(wildcard $(1))))
names        = $(patsubst $(1)/%.c,%,$(sort $(wildcard $(1)/*.c)))
folders      = $(sort $(foreach source,$(wildcard $(1)/*/*.c),$(notdir $(patsubst %/,%,$(dir $(source))))))

LIBRARY := build/user/libquire.a
LIBRARY_OBJECTS := $(call user_objects,$(foreach folder,lib libports libpager,\
                       user/$(folder)/*.c user/$(folder)/*.S))
PROGRAMS :=

build/user/%.o: user/% Makefile | $(TOOLS)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(USER_CC) $(USER_FLAGS) -c -o $@ $<

$(LIBRARY): $(LIBRARY_OBJECTS)
	$(call say,AR,$@)
	$(Q)mkdir -p $(@D) && rm -f $@ && $(CROSS)ar rcs $@ $(LIBRARY_OBJECTS)

# $(call program,PATH,OBJECTS): build/symbols/PATH has debug information, build/stage/PATH is stripped.
define program
PROGRAMS += $(1)
USER_DEPENDENCIES += $(2:.o=.d)
build/symbols/$(1): $(2) $(LIBRARY) user/user.ld
	$$(call say,LD,$$@)
	$(Q)mkdir -p $$(@D) && $(USER_CC) $(USER_LINK) -o $$@ $(2) \
	    -Wl,--start-group $(LIBRARY) -lm -lc -lgcc -Wl,--end-group
build/stage/$(1): build/symbols/$(1)
	$(Q)mkdir -p $$(@D) && $(CROSS)strip -o $$@ $$<
endef

program_path = $(if $(filter init,$(1)),sbin/init,bin/$(1))
$(foreach name,$(call names,user/bin),$(eval $(call program,$(call program_path,$(name)),build/user/bin/$(name).c.o)))
$(foreach name,$(call names,user/demo),$(eval $(call program,bin/$(name),build/user/demo/$(name).c.o)))
$(foreach name,$(call names,user/tests),$(eval $(call program,tests/$(name),build/user/tests/$(name).c.o)))
$(foreach name,$(call names,user/bench),$(eval $(call program,bench/$(name),build/user/bench/$(name).c.o)))
$(foreach kind,bin demo fs,$(foreach name,$(call folders,user/$(kind)),$(eval \
    $(call program,bin/$(name),$(call user_objects,user/$(kind)/$(name)/*.c)))))

# This one is part of the kernel.
$(eval $(call program,boot,build/user/boot/boot.c.o))
PROGRAMS := $(filter-out boot,$(PROGRAMS))

STAGED := $(PROGRAMS:%=build/stage/%)

user: $(STAGED)

# --- Images ---------------------------------------------------------------------------------------

INITRD := build/initrd.cpio
DISK   := build/disk.img
# What `make qemu` uses as the disk.
IMAGE  ?= $(DISK)

# A changed list of programs, or of files for the disk, makes new images.
build/.programs: FORCE
	$(Q)mkdir -p $(@D); echo '$(PROGRAMS)' | cmp -s - $@ || echo '$(PROGRAMS)' > $@
build/.files: FORCE
	$(Q)mkdir -p $(@D); { echo '$(FILES)'; $(if $(FILES),find '$(FILES)' -printf '%p %s %T@\n' | sort;) } > $@.new; \
	    if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

$(INITRD): mkfs/mkinitrd.py build/.programs $(STAGED) | $(TOOLS)
	$(call say,CPIO,$@)
	$(Q)python3 mkfs/mkinitrd.py $@ build/stage $(PROGRAMS)

$(DISK): mkfs/mkdisk.py build/.programs build/.files $(filter build/stage/bin/%,$(STAGED)) | $(TOOLS)
	$(call say,DISK,$@)
	$(Q)python3 mkfs/mkdisk.py --programs build/stage $(if $(FILES),--files '$(FILES)') $@ $(filter bin/%,$(PROGRAMS))

image: $(INITRD) $(DISK)

# --- Running --------------------------------------------------------------------------------------

QEMU := qemu-system-riscv64 -machine virt -smp $(CPUS) -m $(MEM) -no-reboot \
        -global virtio-mmio.force-legacy=false -kernel $(KERNEL) -initrd $(INITRD) \
        -append '$(APPEND)' -drive file=$(IMAGE),if=none,format=raw,id=d0 \
        -device virtio-blk-device,drive=d0,bus=virtio-mmio-bus.0
GDB_SOCKET := build/gdb.sock

# A terminal gets QEMU's own keys (^A x quits); a script gets its bytes through untouched.
qemu: all
	@if [ -t 0 ]; then $(QEMU) -nographic; else python3 mkfs/console.py $(QEMU); fi

qemu-gdb: all
	@echo "waiting for \`make gdb\` in another terminal"
	@$(QEMU) -nographic -S -chardev socket,path=$(GDB_SOCKET),server=on,wait=off,id=g -gdb chardev:g

gdb:
	@gdb-multiarch -q -ex 'target remote $(GDB_SOCKET)' -x arch/riscv/gdb.py $(KERNEL)

# --- Tests and reports ----------------------------------------------------------------------------

PYTHON = $(shell sh mkfs/tools.sh python)
JOBS  ?= 2
TESTS ?= test

include test/host/host.mk

test: all host-test
	@python="$(PYTHON)"; [ -n "$$python" ] || { echo "no Python has pytest and pexpect: run \`make setup\`"; exit 1; }; \
	$$python -m pytest -c test/pytest.ini -n $(JOBS) --dist loadgroup $(TESTS)

# Random trees of clones, new ones each time: SEEDS of them from FIRST on, STEPS long; and the stress
# programs, SOAK seconds each.
SEEDS ?= 500
STEPS ?= 4000
SOAK  ?= 60
FIRST ?= $(shell date +%s)
soak: all
	@python="$(PYTHON)"; [ -n "$$python" ] || { echo "no Python has pytest and pexpect: run \`make setup\`"; exit 1; }; \
	echo "SEEDS=$(SEEDS) STEPS=$(STEPS) FIRST=$(FIRST)"; \
	QUIRE_CLONE_SEEDS=$(SEEDS) QUIRE_CLONE_STEPS=$(STEPS) QUIRE_CLONE_FIRST=$(FIRST) QUIRE_SOAK_SECONDS=$(SOAK) \
	    $$python -m pytest -c test/pytest.ini -q test/test_clones.py test/test_soak.py test/test_page_out.py

# The life of a page request (docs/model.md); CYCLES=1 looks for cycles in every case, which takes minutes.
model:
	@python3 test/spin_model.py $(if $(CYCLES),--cycles)

bench: all
	@python3 test/bench.py --kernel $(KERNEL) --initrd $(INITRD)

BENCH ?= calls
profile: all
	@python3 test/bench_profile.py $(BENCH)

# The design's limit is LINE_LIMIT, comments included (docs/STATUS.md says why it is exceeded).
LINE_LIMIT := 12000
COMMENT    := ^[[:space:]]*([/][*]|[*] |[*][/]|[*]$$)
lines:
	@for folder in kern kern/* arch/*; do \
	    [ -d "$$folder" ] || continue; \
	    find "$$folder" -maxdepth 1 -type f -name '*.[ch]' | xargs -r cat | \
	    awk -v folder="$$folder" '/[^[:space:]]/ { n++ } /$(COMMENT)/ { c++ } \
	        END { printf "%-14s %6d lines, of them %5d of comments\n", folder, n, c }'; \
	done | awk '{ print; total += $$2; comments += $$6 } \
	    END { printf "%-14s %6d lines, of them %5d of comments; the limit is %d\n", "C and headers", total, comments, $(LINE_LIMIT) }'
	@find kern arch -type f -name '*.S' -o -type f -name '*.def' | xargs cat | wc -l | \
	    xargs printf '%-14s %6d (assembly and lists, not counted)\n' besides

# Always made: git keeps both, and gives files the time of the checkout.
docs:
	$(call say,DOC,docs/syscalls.md)
	$(Q)python3 mkfs/manual.py docs/syscalls.md
	$(call say,DOC,docs/pager-conformance.md)
	$(Q)python3 mkfs/conformance.py docs/pager-conformance.md
	$(call say,DOC,docs/default-pager-rows.md)
	$(Q)python3 mkfs/feature_rows.py docs/default-pager-rows.md

compile_commands.json: FORCE
	$(call say,JSON,$@)
	$(Q)$(MAKE) --no-print-directory -nB V=1 kernel user | python3 mkfs/compile_commands.py $@

clean:
	rm -rf build compile_commands.json

help:
	@echo 'make setup          install the tools (Debian, Ubuntu); may be followed by other targets'
	@echo 'make                build kernel, programs, boot archive and disk image'
	@echo 'make kernel         the kernel alone; CC=clang builds it with clang'
	@echo 'make qemu           boot: CPUS=2 MEM=128M APPEND="..." FILES=folder; ^A x quits'
	@echo 'make qemu-gdb, gdb  boot and wait for a debugger; attach one (in another terminal)'
	@echo 'make test           all tests; TESTS=test/test_boot.py, JOBS=2'
	@echo 'make soak           random trees of clones against a model: SEEDS=500 STEPS=4000 FIRST=seed,'
	@echo '                    and the stress programs, SOAK=60 seconds each'
	@echo 'make fuzz           kernel code on the host, choices by libFuzzer: TARGET=pagers SECONDS=60'
	@echo 'make model          the model of page requests, by spin; CYCLES=1 for every case'
	@echo 'make bench          instruction counts of the basic operations'
	@echo 'make profile        where they go, function by function: BENCH=calls, memory, messages, ...'
	@echo 'make lines          size of the kernel per folder'
	@echo 'make docs           the manual of the system calls, the tables of the pager conformance suite and of features'
	@echo 'make clean, compile_commands.json, help'

FORCE:
.PHONY: all kernel user image qemu qemu-gdb gdb test soak model bench profile lines docs clean help FORCE

-include $(KERNEL_OBJECTS:.o=.d) $(LIBRARY_OBJECTS:.o=.d) $(USER_DEPENDENCIES)

endif
