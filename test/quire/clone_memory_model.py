"""Memory as the tests of clones see it: pages with holders, pagers' VMOs, and layers of copies over them.

A page is a Python object, an anonymous slot holds a page with a count of its holders, and a frame is
whatever the model holds once.
"""

MASK = (1 << 64) - 1
ROOTS, BASE_NODE, FIRST_NODE, NODES, PLACES, ROOT_PAGES, BASE_PAGES = 2, 2, 3, 14, 6, 16, 12
WORDS, CHECK_EVERY = 512, 50
ANONYMOUS, ROOT, CLONE, SLICE, REFERENCE = range(5)


def scramble(x):
    x = (x + 0x9e3779b97f4a7c15) & MASK
    x = ((x ^ (x >> 30)) * 0xbf58476d1ce4e5b9) & MASK
    x = ((x ^ (x >> 27)) * 0x94d049bb133111eb) & MASK
    return x ^ (x >> 31)


FACTORS = [scramble(word) | 1 for word in range(WORDS)]
FACTORS_SUM = sum(FACTORS) & MASK
RAMP = sum(word * factor for word, factor in enumerate(FACTORS)) & MASK
PAGE_FACTORS = [scramble(1000 + page) | 1 for page in range(64)]


class Failure(Exception):
    """A page could not be had; the argument is the letter of the status."""


class Page:
    """512 words: `first + i` in each, or zeros, and what was written since.  `hash` is kept up to date."""

    __slots__ = ("first", "words", "hash", "holders", "dirty")

    def __init__(self, first=None):
        self.first = first
        self.words = {}
        self.hash = 0 if first is None else (first * FACTORS_SUM + RAMP) & MASK
        self.holders = 1
        self.dirty = False

    def copy(self):
        page = Page.__new__(Page)
        page.first, page.words, page.hash = self.first, dict(self.words), self.hash
        page.holders, page.dirty = 1, False
        return page

    def load(self, word):
        value = self.words.get(word)
        if value is None:
            return 0 if self.first is None else (self.first + word) & MASK
        return value

    def store(self, word, value):
        self.hash = (self.hash + (value - self.load(word)) * FACTORS[word]) & MASK
        self.words[word] = value


ZERO = Page()                           # also the marker of a slot known to be zero


class Root:
    """A pager's VMO."""

    def __init__(self, number, resizable):
        self.number, self.resizable = number, resizable
        self.pages = {}
        self.size = self.source_pages = ROOT_PAGES
        self.detached = False
        self.clones = []

    def supplied(self, index):
        return Page(scramble(self.number * 100003 + index * 1009))

    def get(self, index, write, ask=True):
        page = self.pages.get(index)
        if page is None and index < self.source_pages:
            if self.detached:
                raise Failure("b")
            if not ask:
                raise Failure("w")
            page = self.pages[index] = self.supplied(index)
        if write:                                       # or "commit": a frame, as clean as the zeros were
            grown = page is None
            if page is None or page is ZERO:
                page = self.pages[index] = Page()
            page.dirty |= grown or write != "commit"
        return ZERO if page is None else page

    def frames(self):
        return {id(page) for page in self.pages.values() if page is not ZERO}

    def resize(self, size):
        self.size = size
        self.source_pages = min(self.source_pages, size)
        self.pages = {index: page for index, page in self.pages.items() if index < size}
        for clone in self.clones:
            clone.limit = min(clone.limit, max(0, size - clone.base))

    def detach(self):
        self.detached = True
        self.pages = {index: page for index, page in self.pages.items() if page.dirty}


class Layer:
    """Anonymous memory, or a clone: a layer of it over the window [base, base + limit) of a root."""

    def __init__(self, size, resizable, root=None, base=0, limit=0):
        self.size, self.resizable = size, resizable
        self.root, self.base, self.limit = root, base, limit
        self.pages = {}
        if root:
            root.clones.append(self)

    def get(self, index, write, ask=True):
        page = self.pages.get(index)
        if page is None and self.root and index < self.limit:
            below = self.root.get(self.base + index, False, ask)
            if not write:
                return below
            page = self.pages[index] = below.copy()
        elif page is None or page is ZERO:
            if not write:
                return ZERO
            page = self.pages[index] = Page()
        elif write and page.holders > 1:
            page.holders -= 1
            page = self.pages[index] = page.copy()
        return page

    def drop(self, index):
        page = self.pages.pop(index, None)
        if page and page is not ZERO:
            page.holders -= 1

    def zero_page(self, index):
        self.drop(index)
        if self.root and index < self.limit:
            self.pages[index] = ZERO

    def resize(self, size):
        for index in [index for index in self.pages if index >= size]:
            self.drop(index)
        self.size = size
        self.limit = min(self.limit, size)

    def snapshot(self, offset, size, end, resizable):
        """Of [offset, offset + size), of which what lies at and beyond `end` reads zero."""
        child = Layer(size, resizable, self.root, self.base + offset,
                      max(0, min(size, self.limit - offset, end - offset)))
        for index, page in self.pages.items():
            if offset <= index < min(offset + size, end):
                child.pages[index - offset] = page
                if page is not ZERO:
                    page.holders += 1
        return child

    def end(self):
        for index in list(self.pages):
            self.drop(index)
        if self.root:
            self.root.clones.remove(self)

    def frames(self):
        return {id(page) for page in self.pages.values() if page is not ZERO}


class Node:
    """A handle; `vmo` holds the pages, and page 0 of the node is page `offset` of it."""

    def __init__(self, kind, vmo, *, target=-1, root=-1, resizable=False, writable=True, shared=False,
                 offset=0, pages=None):
        self.kind, self.vmo, self.target, self.root = kind, vmo, target, root
        self.resizable, self.writable, self.shared, self.offset = resizable, writable, shared, offset
        self.window = pages                 # of a slice, and of references to one: its size
        self.open, self.uses = True, 0

    @property
    def pages(self):
        return self.vmo.size if self.window is None else self.window

    def get(self, index, write, ask=True):
        if index >= self.pages:
            raise Failure("o")
        return self.vmo.get(self.offset + index, write, ask)


class Mapping:
    def __init__(self, number, node, offset, length, write, may_write):
        self.number, self.node, self.offset, self.length = number, node, offset, length
        self.write, self.may_write = write, may_write
