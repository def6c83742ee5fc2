"""What user/tests/t_cow_tree.c must print: its steps, taken on a simple model of memory.

The steps and their draws mirror user/tests/cow_steps.h line by line.
"""

from collections import deque

from .clone_memory_model import (ANONYMOUS, BASE_NODE, BASE_PAGES, CHECK_EVERY, CLONE, FIRST_NODE, MASK, NODES,
                                 PAGE_FACTORS, PLACES, REFERENCE, ROOT, ROOT_PAGES, ROOTS, SLICE, WORDS, ZERO,
                                 Failure, Layer, Mapping, Node, Page, Root, scramble)


class Tree:
    """One run of a tree: `lines()` gives what the guest prints."""

    def __init__(self, seed, steps, exact=True):
        self.seed, self.steps, self.exact = seed, steps, exact
        self.random = scramble(seed) | 1
        self.seen = 0
        self.log = deque(maxlen=3 * CHECK_EVERY)    # what the last steps were
        self.told = {}                              # by step: what the guest tells of it
        self.roots = [Root(0, True), Root(1, False)]
        base = Layer(BASE_PAGES, False)
        index = 0
        while index < BASE_PAGES:
            base.pages[index] = Page(scramble(77 + index))
            index += 1 + index % 2
        self.nodes = [None] * NODES
        for i, root in enumerate(self.roots):
            self.nodes[i] = Node(ROOT, root, root=i, resizable=root.resizable, shared=not exact)
        self.nodes[BASE_NODE] = Node(ANONYMOUS, base, shared=not exact)
        self.mappings = [None] * PLACES

    # --- Draws. ---

    def next_random(self):
        x = self.random
        x = (x ^ (x << 13)) & MASK
        x ^= x >> 7
        x = (x ^ (x << 17)) & MASK
        self.random = x
        return x

    def draw(self, bound):
        return (self.next_random() >> 16) % bound

    def pick(self, first=0):
        found = [i for i in range(first, NODES) if self.nodes[i] and self.nodes[i].open]
        return found[self.draw(len(found))] if found else -1

    def pick_mapping(self):
        found = [mapping for mapping in self.mappings if mapping]
        return found[self.draw(len(found))] if found else None

    def free_node(self):
        return next((i for i in range(FIRST_NODE, NODES) if not self.nodes[i]), -1)

    def free_mapping(self):
        return next((i for i in range(PLACES) if not self.mappings[i]), -1)

    def see(self, value):
        self.seen = (self.seen * 0x5851f42d4c957f2d + value) & MASK

    def note(self, text):
        self.log[-1] += " " + text

    # --- Nodes. ---

    def add(self, i, node):
        self.nodes[i] = node
        if node.target >= 0:
            self.nodes[node.target].uses += 1
        self.note(f"-> n{i}")

    def release(self, i):
        node = self.nodes[i]
        if node.open or node.uses:
            return
        self.nodes[i] = None
        if node.target >= 0:
            self.nodes[node.target].uses -= 1
            self.release(node.target)
        else:
            node.vmo.end()

    def make_anonymous(self):
        i = self.free_node()
        if i < 0:
            return "-"
        pages = 1 + self.draw(12)
        resizable = bool(self.draw(2))
        self.note(f"{pages} pages")
        self.add(i, Node(ANONYMOUS, Layer(pages, resizable), resizable=resizable))
        return "."

    def child_of(self, parent, offset, pages, resizable):
        """The VMO that a snapshot of a node is."""
        offset += parent.offset
        end = parent.offset + parent.pages
        if isinstance(parent.vmo, Root):
            return Layer(pages, resizable, parent.vmo, offset, max(0, min(pages, end - offset)))
        return parent.vmo.snapshot(offset, pages, end, resizable)

    def make_snapshot(self):
        i, p = self.free_node(), self.pick()
        if i < 0:
            return "-"
        parent = self.nodes[p]
        offset = self.draw(parent.pages + 3)
        kind = self.draw(4)
        pages = 1 + self.draw(14)
        resizable = bool(self.draw(2))
        writable = self.draw(8) != 0
        crooked = self.draw(32) == 0
        strict = not crooked and (kind == 0 or (kind > 1 and parent.root < 0))
        self.note(f"n{p} from {offset} for {pages}{' strict' * strict}{' crooked' * crooked}")
        if crooked:
            return "i"
        if strict and parent.root >= 0:
            return "n"
        vmo = self.child_of(parent, offset, pages, resizable)
        self.add(i, Node(CLONE if parent.root >= 0 else ANONYMOUS, vmo, root=parent.root,
                         resizable=resizable, writable=writable))
        return "."

    def make_slice(self):
        i, p = self.free_node(), self.pick()
        parent = self.nodes[p]
        if i < 0 or parent.pages == 0:
            return "-"
        offset = self.draw(parent.pages + 1)
        pages = 1 + self.draw(8)
        writable = self.draw(8) != 0 and parent.writable
        if parent.resizable:
            offset, pages = 0, 1
        self.note(f"n{p} from {offset} for {pages}")
        if parent.resizable:
            return "n"
        if offset + pages > parent.pages:
            return "o"
        self.add(i, Node(SLICE, parent.vmo, target=p, root=parent.root, writable=writable,
                         shared=parent.shared, offset=parent.offset + offset, pages=pages))
        return "."

    def make_reference(self):
        i, p = self.free_node(), self.pick()
        if i < 0:
            return "-"
        parent = self.nodes[p]
        self.note(f"n{p}")
        self.add(i, Node(REFERENCE, parent.vmo, target=p, root=parent.root, resizable=parent.resizable,
                         writable=parent.writable, shared=parent.shared, offset=parent.offset,
                         pages=parent.window))
        return "."

    def close_node(self):
        p = self.pick(FIRST_NODE)
        if p < 0:
            return "-"
        self.note(f"n{p}")
        self.nodes[p].open = False
        self.release(p)
        return "."

    # --- Mappings. ---

    def map_at(self, m, p, offset, length, write):
        node = self.nodes[p]
        self.mappings[m] = Mapping(m, p, offset, length, write, node.writable and not node.shared)
        node.uses += 1
        self.note(f"n{p} pages {offset}+{length} at m{m}{' writable' * write}")

    def unmap_mapping(self, mapping):
        self.note(f"m{mapping.number}")
        self.mappings[mapping.number] = None
        self.nodes[mapping.node].uses -= 1
        self.release(mapping.node)

    def map_node(self):
        m, p = self.free_mapping(), self.pick()
        node = self.nodes[p]
        if m < 0 or node.pages == 0:
            return "-"
        offset = self.draw(node.pages)
        length = 1 + self.draw(node.pages - offset)
        write = self.draw(4) != 0 and node.writable and not node.shared
        self.map_at(m, p, offset, length, write)
        return "."

    def unmap_node(self):
        mapping = self.pick_mapping()
        if not mapping:
            return "-"
        self.unmap_mapping(mapping)
        return "."

    def protect_mapping(self):
        mapping = self.pick_mapping()
        if not mapping:
            return "-"
        mapping.write = bool(self.draw(2)) and mapping.may_write
        self.note(f"m{mapping.number}{' writable' * mapping.write}")
        return "."

    def fork_mapping(self):
        mapping, i, place = self.pick_mapping(), self.free_node(), self.free_mapping()
        if not mapping or i < 0:
            return "-"
        parent = self.nodes[mapping.node]
        pages = parent.pages
        if not parent.open or mapping.offset + mapping.length > pages:
            return "-"
        vmo = self.child_of(parent, 0, pages, False)
        self.add(i, Node(CLONE if parent.root >= 0 else ANONYMOUS, vmo, root=parent.root))
        if place < 0:
            place = mapping.number
            self.unmap_mapping(mapping)
        self.map_at(place, i, mapping.offset, mapping.length, True)
        self.nodes[i].open = False
        return "."

    # --- Accesses. ---

    def access(self, mapping, page, write):
        """The page for an access through a mapping, or None."""
        node = self.nodes[mapping.node]
        if write and not mapping.write:
            return None
        try:
            return node.get(mapping.offset + page, write)
        except Failure:
            return None

    def store_word(self):
        mapping = self.pick_mapping()
        if not mapping:
            return "-"
        page, word = self.draw(mapping.length), self.draw(WORDS)
        value = self.next_random()
        self.note(f"m{mapping.number} page {page} word {word}")
        content = self.access(mapping, page, True)
        if content is None:
            return "i"
        content.store(word, value)
        return "."

    def load_word(self):
        mapping = self.pick_mapping()
        if not mapping:
            return "-"
        page, word = self.draw(mapping.length), self.draw(WORDS)
        self.note(f"m{mapping.number} page {page} word {word}")
        content = self.access(mapping, page, False)
        if content is None:
            return "i"
        self.see(content.load(word))
        return "."

    def draw_words(self, node):
        first = self.draw(node.pages * WORDS + 64)
        count = 1 + self.draw(1200) if self.draw(4) == 0 else 1 + self.draw(8)
        return first, count

    def write_words(self):
        p = self.pick()
        node = self.nodes[p]
        first, count = self.draw_words(node)
        value = self.next_random()
        self.note(f"n{p} words {first}+{count}")
        if node.shared:
            return "-"
        if not node.writable:
            return "a"
        if first + count > node.pages * WORDS:
            return "o"
        try:
            for i in range(count):
                if i == 0 or (first + i) % WORDS == 0:
                    page = node.get((first + i) // WORDS, True)
                page.store((first + i) % WORDS, (value + i * 0x9e3779b97f4a7c15) & MASK)
        except Failure as failure:
            return failure.args[0]
        return "."

    def read_words(self):
        p = self.pick()
        node = self.nodes[p]
        first, count = self.draw_words(node)
        self.note(f"n{p} words {first}+{count}")
        if first + count > node.pages * WORDS:
            return "o"
        try:
            pages = {index: node.get(index, False) for index in range(first // WORDS, (first + count - 1) // WORDS + 1)}
        except Failure as failure:
            return failure.args[0]
        for i in range(first, first + count):
            self.see(pages[i // WORDS].load(i % WORDS))
        return "."

    def zero_part(self, node, first, count):
        index = first // WORDS
        if node.get(index, False) is not ZERO:
            page = node.get(index, True)
            for word in range(first % WORDS, first % WORDS + count):
                page.store(word, 0)

    def zero_words(self):
        p = self.pick()
        node = self.nodes[p]
        first, count = self.draw(node.pages * WORDS + 64), 1 + self.draw(2000)
        if self.draw(3) == 0:
            count = (count + WORDS - 1) // WORDS * WORDS
            first = first // WORDS * WORDS
        self.note(f"n{p} words {first}+{count}")
        if node.shared:
            return "-"
        if isinstance(node.vmo, Root):
            first |= 1
            count = min(count, WORDS - first % WORDS)
        if not node.writable:
            return "a"
        end = first + count
        if end > node.pages * WORDS:
            return "o"
        try:
            if first // WORDS == end // WORDS:
                self.zero_part(node, first, count)
                return "."
            if first % WORDS:
                self.zero_part(node, first, WORDS - first % WORDS)
            for index in range((first + WORDS - 1) // WORDS, end // WORDS):
                node.vmo.zero_page(node.offset + index)
            if end % WORDS:
                self.zero_part(node, end - end % WORDS, end % WORDS)
        except Failure as failure:
            return failure.args[0]
        return "."

    def range_of_pages(self, right):
        """(node, first, count), or the letter of what stops the operation."""
        p = self.pick()
        node = self.nodes[p]
        first, count = self.draw(node.pages + 1), self.draw(6)
        if node.root >= 0:
            count = min(count, node.pages - first)
        self.note(f"n{p} pages {first}+{count}")
        if node.shared:
            return "-"
        if right and not node.writable:
            return "a"
        return node, first, count

    def decommit(self):
        found = self.range_of_pages(True)
        if isinstance(found, str):
            return found
        node, first, count = found
        if node.root >= 0:
            return "n"
        if first + count > node.pages:
            return "o"
        for index in range(first, first + count):
            node.vmo.drop(node.offset + index)
        return "."

    def bring_in(self, write):
        found = self.range_of_pages(write)
        if isinstance(found, str):
            return found
        node, first, count = found
        if first + count > node.pages:
            return "o"
        try:
            for index in range(first, first + count):
                node.get(index, write and ("commit" if isinstance(node.vmo, Root) else True))
        except Failure as failure:
            return failure.args[0]
        return "."

    def commit(self):
        return self.bring_in(True)

    def prefetch(self):
        return self.bring_in(False)

    def resize(self):
        p = self.pick()
        node = self.nodes[p]
        pages = self.draw(16)
        if isinstance(node.vmo, Root):
            pages = ROOT_PAGES - pages % 6
        self.note(f"n{p} to {pages}")
        if node.shared:
            return "-"
        if not node.resizable:
            return "u"
        if not node.writable:
            return "a"
        node.vmo.resize(pages)
        return "."

    def supply_from_tree(self):
        p = self.pick()
        number = self.draw(ROOTS)
        node, root = self.nodes[p], self.roots[number]
        if (not self.exact or root.detached or node.kind != ANONYMOUS or not node.writable or
                p < FIRST_NODE or node.pages == 0 or root.size == 0):
            return "-"
        first, at, count = self.draw(node.pages), self.draw(root.size), 1 + self.draw(4)
        count = min(count, node.pages - first, root.size - at)
        self.note(f"n{number} pages {at}+{count} from n{p} at {first}")
        for i in range(count):
            page = node.vmo.pages.get(first + i)
            node.vmo.drop(first + i)
            if at + i < root.source_pages and at + i not in root.pages:
                root.pages[at + i] = page.copy() if page else ZERO
        return "."

    # --- The run. ---

    CHOICES = [(4, "make_anonymous"), (12, "make_snapshot"), (3, "make_slice"), (2, "make_reference"),
               (6, "close_node"), (6, "map_node"), (3, "unmap_node"), (2, "protect_mapping"),
               (18, "store_word"), (6, "load_word"), (14, "write_words"), (4, "read_words"),
               (5, "zero_words"), (2, "decommit"), (2, "commit"), (2, "prefetch"), (5, "resize"),
               (2, "fork_mapping"), (2, "supply_from_tree")]
    LOTS = [name for weight, name in CHOICES for _ in range(weight)]

    def take_step(self, step):
        name = self.LOTS[self.draw(100)]
        self.log.append(f"{step:6} {name}")
        status = getattr(self, name)()
        self.note(status)
        return status

    def page_hash(self, node, index, ask):
        try:
            return node.get(index, False, ask).hash
        except Failure as failure:
            return ord(failure.args[0])

    def hash_vmo(self, node):
        return sum((self.page_hash(node, index, not self.exact) + 1) * PAGE_FACTORS[index]
                   for index in range(node.pages)) & MASK

    def hash_mapping(self, mapping):
        node = self.nodes[mapping.node]
        return sum((node.get(mapping.offset + page, False).hash + 1) * PAGE_FACTORS[page]
                   for page in range(mapping.length) if mapping.offset + page < node.pages) & MASK

    def frames(self):
        held = set()
        for vmo in [*self.roots, *(node.vmo for node in self.nodes if node)]:
            held |= vmo.frames()
        return len(held)

    def holds(self, node):
        """How many pages info reports; slices report none of their own."""
        if not self.exact or node.window is not None:
            return 0
        return len(node.vmo.frames())

    def report(self, step, statuses):
        words = [f"@ {step} {statuses} {self.seen:x} {self.frames() if self.exact else 0}"]
        for i, node in enumerate(self.nodes):
            if node and node.open:
                words.append(f"n{i}:{node.pages}:{self.hash_vmo(node):x}:{self.holds(node)}")
        if step // CHECK_EVERY % 2 == 0:
            for i, mapping in enumerate(self.mappings):
                if mapping and self.nodes[mapping.node].root < 0:
                    words.append(f"m{i}:{self.hash_mapping(mapping):x}")
        return " ".join(words)

    def lines(self):
        detach_at = self.steps * 3 // 4 if self.exact and self.seed % 3 == 0 else None
        statuses = ""
        for step in range(self.steps):
            if step == detach_at:
                self.roots[1].detach()
            statuses += self.take_step(step)
            self.told[step] = f"# {step} {statuses[-1]} {self.seen:x}"
            if (step + 1) % CHECK_EVERY == 0:
                yield self.report(step + 1, statuses)
                statuses = ""
