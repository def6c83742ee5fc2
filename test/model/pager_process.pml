/*
 * pager_process.pml: the pager's process, and what pager.c and user_source.c do for it.
 *
 * Steps are as in page_request.pml, which includes this file.
 */

#define answerable (vmo_handle && !family && !detached && faults_over < FAULTERS)

/* splice_in: the slots that were empty are filled, [begin, begin + filled).  That is one stretch at most, as pages are answered. */
inline splice_in(from, end)
{
    begin = from;
    do
    :: begin < end && slot[begin] != ABSENT ->
        happens("supplied over a page");
        begin++
    :: else -> break
    od;
    do
    :: begin + filled < end && slot[begin + filled] == ABSENT ->
        slot[begin + filled] = IS_CLEAN;
        filled++
    :: else -> break
    od;
    if
    :: filled > 0 -> begin_walk(true, false)
    :: else
    fi
}

/* vmo_dirty_pages: all, or none if there is a gap. */
inline allow(from, end)
{
    if
    :: slot[from] == ABSENT || slot[end - 1] == ABSENT ->
        happens("OP_DIRTY finds a gap");
        if
        :: planted == DIRTY_PARTLY && slot[from] != ABSENT -> slot[from] = IS_DIRTY
        :: else
        fi
    :: else ->
        slot[from] = IS_DIRTY;
        slot[end - 1] = IS_DIRTY;
        granted = granted | (1 << from) | (1 << (end - 1))
    fi;
    assert((slot[0] != IS_DIRTY || granted & 1) && (slot[1] != IS_DIRTY || granted & 2));
    if
    :: planted != DIRTY_KEEPS_SILENT || (slot[from] == IS_DIRTY && slot[end - 1] == IS_DIRTY) -> begin_walk(false, true)
    :: else
    fi
}

inline end_of_answer(from, end)
{
    from = 0;
    end = 0;
    vmo_unref()
}

/*
 * pager_supply_pages or pager_op_range of [from, end), through the handle of the VMO, while it matters to somebody; `what` was asked
 * for.  The range is empty afterwards.
 */
inline answer(from, end, what, more)
{
    if
    :: atomic { answerable && what == READ ->
            vmo_references++;
            splice_in(from, end);
            complete_one(begin, begin + filled, OK, more) };
        do
        :: atomic { more -> complete_one(begin, begin + filled, OK, more) }
        :: atomic { !more -> end_of_answer(from, end); break }
        od
    :: atomic { answerable && what == DIRTY ->
            vmo_references++;
            allow(from, end);
            complete_one(from, end, OK, more) };
        do
        :: atomic { more -> complete_one(from, end, OK, more) }
        :: atomic { !more -> end_of_answer(from, end); break }
        od
    :: atomic { answerable && part < CLOSING ->
            vmo_references++;
            begin_walk(true, planted != FAIL_READS_ONLY);
            complete_one(from, end, IO, more) };
        do
        :: atomic { more -> complete_one(from, end, IO, more) }
        :: atomic { !more -> end_of_answer(from, end); break }
        od
    :: atomic { !family && (!vmo_handle || detached || faults_over == FAULTERS) ->
            happens("answered too late");
            from = 0;
            end = 0 }
    fi
}

/* A range of the pages that are owed, which are owed no more. */
inline choose(owed, from, end)
{
    if
    :: owed & 1
    :: owed & 2 -> from = 1
    :: owed & 4 -> from = 2
    fi;
    end = from + 1;
    do
    :: owed & (1 << end) -> end++
    :: break
    od;
    owed = owed & ~((1 << end) - (1 << from))
}

/* Reads the port.  What it was asked for it answers some time, at once or page by page, before or after the next packet. */
proctype Reader()
{
    byte owed, owed_dirty, asked;
    bool more;
    byte from, end;
    mtype what;

end_idle:
    do
    :: atomic { queued ->                               /* port_wait */
            what = command;
            asked = ((1 << packet_count) - 1) << packet_first;
            unlink_packet() };
        atomic {
            packet_dequeued();
            if
            :: what == READ -> owed = owed | asked
            :: what == DIRTY -> happens("DIRTY is read"); owed_dirty = owed_dirty | asked
            :: what == COMPLETE -> happens("COMPLETE is read")
            fi;
            what = 0;
            asked = 0 }
    :: atomic { writeback_queued ->
            happens("WRITEBACK is read");
            assert(completes == 0);
            writeback_queued = false;
            writeback_owed = writeback_owed & ~writeback_pages;
            writeback_pages = 0 };
        atomic { user_source_unref() }
    :: atomic { owed || owed_dirty ->
            if
            :: owed -> what = READ; choose(owed, from, end)
            :: owed_dirty -> what = DIRTY; choose(owed_dirty, from, end)
            fi;
            if
            :: planted == UNPARK_BEFORE_LOCK ->
                permit[0] = true;
                permit[1] = true
            :: else
            fi };
        answer(from, end, what, more);
        what = 0
    :: atomic { port_closed && !queued && !writeback_queued && !owed && !owed_dirty -> break }
    od
}

inline port_unreachable()
{
    atomic { port_closed = true };
    do
    :: atomic { queued ->
            happens("a packet ends with its port");
            unlink_packet() };
        atomic { packet_dequeued() }
    :: atomic { writeback_queued ->
            writeback_queued = false;
            writeback_pages = 0;
            writeback_owed = 0 };
        atomic { user_source_unref() }
    :: atomic { !queued && !writeback_queued -> break }
    od
}

inline pager_detach_vmo(more, withdrawn)
{
    if
    :: planted == COMPLETE_FIRST -> atomic { send_complete(withdrawn); drop_withdrawn(withdrawn) }
    :: else
    fi;
    atomic { !family ->
        detached = true;
        begin_walk(true, true);
        complete_one_of_all(more);
        slot[0] = (slot[0] == IS_DIRTY -> IS_DIRTY : ABSENT);
        slot[1] = (slot[1] == IS_DIRTY -> IS_DIRTY : ABSENT) };
    do
    :: atomic { more -> complete_one_of_all(more) }
    :: atomic { !more -> send_complete(withdrawn); drop_withdrawn(withdrawn); break }
    od
}

/* user_source_close_all. */
inline pager_unreachable(more, taken, with_vmo, withdrawn)
{
    atomic { !sources -> take_source(taken, with_vmo) };
    if
    :: atomic { with_vmo && !family ->
            detached = true;
            begin_walk(true, true);
            complete_one_of_all(more) };
        do
        :: atomic { more -> complete_one_of_all(more) }
        :: atomic { !more -> break }
        od
    :: atomic { !with_vmo -> skip }
    fi;
    if
    :: atomic { taken -> close_packets(withdrawn) };
        atomic {
            drop_withdrawn(withdrawn);
            if
            :: with_vmo -> vmo_unref()
            :: else
            fi;
            with_vmo = false;
            taken = false;
            user_source_unref() }
    :: atomic { !taken -> skip }
    fi;
    atomic {
        assert(!queued && !writeback_queued);           /* nobody could ever read them */
        pager_gone = true
    }
}

/* reclaim, or a page that is found bad. */
inline evict()
{
    atomic { !family ->
        if
        :: slot[0] == IS_CLEAN -> happens("a page is evicted"); slot[0] = ABSENT
        :: slot[1] == IS_CLEAN -> slot[1] = ABSENT
        :: else
        fi }
}

inline close_handle()
{
    atomic { vmo_handle = false; vmo_unref() }
}

/* Another thread of the pager's process, or that process as it dies. */
proctype Manager()
{
    bool more, taken, with_vmo;
    byte from, end, withdrawn;

    if
    :: true
    :: part == READS || part == EARLY -> end = 1; answer(from, end, READ, more)
    :: part == WRITES -> end = 1; answer(from, end, DIRTY, more)
    :: part == WRITES -> evict()
    :: part != CREATION -> pager_detach_vmo(more, withdrawn)
    :: part >= CLOSING -> pager_unreachable(more, taken, with_vmo, withdrawn)
    :: part >= CLOSING ->
        port_unreachable();
        pager_unreachable(more, taken, with_vmo, withdrawn)
    :: part == CLOSING ->
        pager_detach_vmo(more, withdrawn);
        pager_unreachable(more, taken, with_vmo, withdrawn)
    :: part == CLOSING || part == WRITEBACK ->
        close_handle();
        pager_unreachable(more, taken, with_vmo, withdrawn)
    fi;
    if
    :: atomic { vmo_handle && !mapped && (detached || faults_over == FAULTERS) -> vmo_handle = false; vmo_unref() }
    :: !vmo_handle
    fi;
    others_left--
}
