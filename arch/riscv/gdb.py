"""Debugging Quire with gdb: `make qemu-gdb` in one terminal, `make gdb` in another.

    quire threads           every thread of every process: state, hart, kernel stack pointer
    quire process [KOID]    processes; with a koid its threads, regions and what they map
    quire vmo ADDRESS       a VMO: size, source, resident pages by slot kind
    quire harts             what each hart runs, and its counters
    quire backtrace ADDRESS the kernel call chain of a thread that does not run
"""

import gdb

PARK_STATES = {0: "-", 1: "blocked", 2: "woken"}
SLOT_KINDS = {1: "page", 2: "anon", 3: "zero"}
PAGE_LIST_FANOUT = 64
KERNEL_STACK_SIZE = 16384


def container(node, type_name, member):
    """The structure that holds a list node."""
    kind = gdb.lookup_type(type_name)
    offset = next(field.bitpos // 8 for field in kind.fields() if field.name == member)
    return (node.cast(gdb.lookup_type("char").pointer()) - offset).cast(kind.pointer())


def list_items(list_value, type_name, member):
    """The structures in a struct list."""
    head = list_value["head"].address
    node = list_value["head"]["next"]
    while node != head:
        yield container(node, type_name, member)
        node = node["next"]


def tree_nodes(node):
    """A binary tree in order; the fields are those of lib/tree.h."""
    if node:
        yield from tree_nodes(node["left"])
        yield node
        yield from tree_nodes(node["right"])


def text(characters):
    return characters.string(errors="replace")


def scalar(value):
    """An _Atomic integer as a number."""
    return int(value.cast(gdb.lookup_type("unsigned long")))


def processes():
    return list_items(gdb.parse_and_eval("all_processes"), "struct process", "all_link")


def find_process(koid):
    for process in processes():
        if int(process["object"]["koid"]) == koid:
            return process
    raise gdb.GdbError(f"no process has koid {koid}")


def print_thread(thread):
    pager = scalar(thread["pager_wait_since"]) != 0
    state = "pager" if pager else PARK_STATES.get(scalar(thread["park"]), "?")
    hart = thread["on_hart"].cast(gdb.lookup_type("struct hart").pointer())
    where = f"hart {int(hart['index'])}" if hart else f"sp {int(thread['arch']['sp']):#x}"
    print(f"    {int(thread['object']['koid']):5} {text(thread['name']):20} {state:8} {where:22} {thread}")


def print_vmo(vmo):
    kind = str(vmo["kind"])
    print(f"{vmo} {text(vmo['name'])!r} {kind}: {int(vmo['size']):#x} bytes, content {int(vmo['content_size']):#x}, "
          f"{int(vmo['resident'])} frames, {int(vmo['mappings'])} mappings")


def page_list_slots(node, height, base=0):
    """(index, slot) of every slot in use."""
    if not node:
        return
    for number in range(PAGE_LIST_FANOUT):
        slot = int(node["slots"][number].cast(gdb.lookup_type("unsigned long")))
        index = base * PAGE_LIST_FANOUT + number
        if slot and height > 1:
            child = gdb.Value(slot).cast(node.type)
            yield from page_list_slots(child, height - 1, index)
        elif slot:
            yield index, slot


def function_at(address):
    """The function whose code this is; the blocks inside a function have no name."""
    block = gdb.block_for_pc(address)
    while block and not block.function:
        block = block.superblock
    return block.function if block else "?"


class Quire(gdb.Command):
    """Look at the kernel's structures: quire threads | process | vmo | harts | backtrace."""

    def __init__(self):
        super().__init__("quire", gdb.COMMAND_DATA, prefix=True)


class Threads(gdb.Command):
    """Every thread of every process."""

    def __init__(self):
        super().__init__("quire threads", gdb.COMMAND_DATA)

    def invoke(self, _argument, _from_tty):
        for process in processes():
            print(f"process {int(process['object']['koid'])} {text(process['name'])}")
            for thread in list_items(process["threads"], "struct thread", "process_link"):
                print_thread(thread)


class Process(gdb.Command):
    """All processes, or the threads and regions of the one with this koid."""

    def __init__(self):
        super().__init__("quire process", gdb.COMMAND_DATA)

    def invoke(self, argument, _from_tty):
        if not argument:
            for process in processes():
                print(f"{int(process['object']['koid']):5} {text(process['name']):20} "
                      f"{int(process['thread_count'])} threads  {process}")
            return
        process = find_process(int(argument))
        print(f"process {argument} {text(process['name'])} {process}")
        for thread in list_items(process["threads"], "struct thread", "process_link"):
            print_thread(thread)
        for node in tree_nodes(process["aspace"]["regions"]["root"]):
            region = container(node, "struct region", "node")
            flags = int(region["flags"])
            rights = "".join(letter if flags & bit else "-" for letter, bit in zip("rwx", (1, 2, 4)))
            print(f"    {int(region['base']):#014x} + {int(region['length']):#10x} {rights} "
                  f"at {int(region['vmo_offset']):#x} of ", end="")
            print_vmo(region["vmo"])


class Vmo(gdb.Command):
    """One VMO: an address, or an expression of type struct vmo *."""

    def __init__(self):
        super().__init__("quire vmo", gdb.COMMAND_DATA, gdb.COMPLETE_EXPRESSION)

    def invoke(self, argument, _from_tty):
        vmo = gdb.parse_and_eval(argument).cast(gdb.lookup_type("struct vmo").pointer())
        print_vmo(vmo)
        if vmo["ops"]:
            print(f"    source: {vmo['ops']['name'].string()}")
        kinds = {}
        for index, slot in page_list_slots(vmo["pages"]["root"], int(vmo["pages"]["height"])):
            kinds.setdefault(SLOT_KINDS.get(slot & 3, "?"), []).append(index)
        for kind, indices in kinds.items():
            shown = " ".join(map(str, indices[:16])) + (" ..." if len(indices) > 16 else "")
            print(f"    {len(indices)} {kind} slots: {shown}")


class Harts(gdb.Command):
    """What each hart runs."""

    def __init__(self):
        super().__init__("quire harts", gdb.COMMAND_DATA)

    def invoke(self, _argument, _from_tty):
        harts = gdb.parse_and_eval("harts")
        for index in range(int(gdb.parse_and_eval("hart_count"))):
            hart = harts[index]
            current = text(hart["current"]["name"]) if hart["current"] else "nothing"
            print(f"hart {index} (id {int(hart['id'])}): {current}, locks held {int(hart['held']):#x}, "
                  f"{int(hart['context_switches'])} switches, {int(hart['syscalls'])} calls, "
                  f"{int(hart['page_faults'])} faults")


class Backtrace(gdb.Command):
    """The kernel call chain of a thread that does not run, from its saved frame pointer."""

    def __init__(self):
        super().__init__("quire backtrace", gdb.COMMAND_DATA, gdb.COMPLETE_EXPRESSION)

    def invoke(self, argument, _from_tty):
        thread = gdb.parse_and_eval(argument).cast(gdb.lookup_type("struct thread").pointer())
        if thread["on_hart"].cast(gdb.lookup_type("unsigned long")):
            raise gdb.GdbError("the thread is running: use `info threads` and `backtrace`")
        words = gdb.lookup_type("unsigned long").pointer()
        low, sp = int(thread["stack"]), int(thread["arch"]["sp"])
        high = low + KERNEL_STACK_SIZE
        saved = gdb.Value(sp).cast(words)               # switch.S puts ra and s0 first
        address, frame = int(saved[0]), int(saved[1])
        while gdb.block_for_pc(address):
            line = gdb.find_pc_line(address - 1)
            print(f"    {address:#x} {function_at(address - 1)} at {line.symtab}:{line.line}")
            if not low + 16 <= frame <= high:
                break
            saved = gdb.Value(frame - 16).cast(words)   # every function keeps s0, ra below its frame
            address, frame = int(saved[1]), int(saved[0])


for command in (Quire, Threads, Process, Vmo, Harts, Backtrace):
    command()

gdb.execute("set pagination off")
gdb.execute("set print pretty on")
print("Quire: `help quire` lists the commands.  Try: hbreak vm_fault, continue, quire threads.")
