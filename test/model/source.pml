/*
 * source.pml: what user_source.c does.
 *
 * Every inline is a part of a step; those who use it (page_request.pml) say where steps end.
 */

/* The memory of the source is there, and whoever calls this has a reference or the VMO's. */
#define source_lives (references > 0 && !freed)

/* --- The packets.  All within a step. --- */

inline unlink_packet()
{
    queued = false;
    command = 0;
    packet_first = 0;
    packet_count = 0
}

/* What may not be sent: two of a kind, anything after COMPLETE, anything after the pager's end. */
#define may_send (completes == 0 && !pager_gone && source_lives)

/* With port_queue_packet. */
inline send(what, from, pages)
{
    assert(!queued);                                    /* it is in one place at most */
    if
    :: !port_closed ->
        assert(may_send && (what != COMPLETE || !writeback_queued));
        command = what;
        packet_first = from;
        packet_count = pages;
        queued = true;
        packet_busy = true;
        references++
    :: else -> happens("queued to a closed port")
    fi
}

inline send_request(who)
{
    assert(request[who].on_stack && !request[who].done);
    speaks_for = who;
    send(request[who].kind, request[who].first, request[who].count);
    if
    :: !packet_busy -> speaks_for = NOBODY
    :: else
    fi
}

/* Take pending[place] out. */
inline remove_pending(place)
{
    at = place;
    pendings--;
    do
    :: at < pendings ->
        pending[at] = pending[at + 1];
        at++
    :: else -> break
    od;
    pending[pendings] = 0;
    at = 0
}

inline send_next()
{
    if
    :: pendings > 0 ->
        happens("a request moves up from the line");
        next = pending[0];
        remove_pending(0);
        send_request(next);
        next = 0
    :: pendings == 0 && complete_wanted && !closed ->
        complete_wanted = false;
        complete_sent = true;
        send(COMPLETE, 0, 0);
        if
        :: queued -> completes++
        :: else
        fi
    :: else
    fi
}

/* With the last one, `proctype Ender` frees the source. */
inline user_source_unref()
{
    assert(source_lives);
    references--
}

inline packet_dequeued()
{
    assert(source_lives);
    packet_busy = false;
    if
    :: speaks_for != NOBODY ->
        assert(request[speaks_for].on_stack);
        speaks_for = NOBODY
    :: else -> happens("a packet is read that speaks for nobody")
    fi;
    send_next();
    user_source_unref()
}

/* With port_withdraw. */
#define withdrawable (packet_busy && queued)
inline withdraw()
{
    happens("a packet is withdrawn");
    unlink_packet();
    packet_busy = false
}

/* --- As a source of pages.  Family lock held; within a step. --- */

/* ask: request[me].on_stack says whether to wait, status is the answer if not. */
inline ask(me, page, pages, what, early, status)
{
    if
    :: detached -> status = BAD_STATE
    :: else ->
        page_request_arm(me, page, pages, what, early);
        if
        :: request[me].head != NOBODY || continued -> skip
        :: else ->
            if
            :: packet_busy && planted != SEND_THOUGH_BUSY ->
                happens("a request waits in line");
                if
                :: speaks_for != NOBODY && request[speaks_for].kind != what -> happens("READ and DIRTY share the line")
                :: else
                fi;
                pending[pendings] = me;
                pendings++
            :: else -> send_request(me)
            fi
        fi;
        continued = false
    fi
}

/* source_forget. */
inline forget(who, heir)
{
    assert(source_lives && request[who].on_stack);
    if
    :: speaks_for == who && heir != NOBODY ->
        happens("a successor takes the packet over");
        speaks_for = heir
    :: speaks_for == who && heir == NOBODY ->
        speaks_for = NOBODY;
        if
        :: withdrawable ->
            withdraw();
            if
            :: planted == WITHDRAW_ONLY
            :: else -> send_next()
            fi;
            user_source_unref();
            assert(source_lives)                        /* never the last: the VMO has one */
        :: else -> happens("too late to withdraw")
        fi
    :: else ->
        do
        :: at < pendings && pending[at] != who -> at++
        :: else -> break
        od;
        if
        :: at < pendings && heir != NOBODY ->
            pending[at] = heir
        :: at < pendings && heir == NOBODY ->
            happens("a request leaves the line");
            remove_pending(at)
        :: else -> happens("a request ends that the pager has read")
        fi;
        at = 0
    fi
}

/* --- Write-back. --- */

/*
 * The part of ask_writeback under the lock, for the pages of a bit mask; unread: drop a reference afterwards.  Whether it is
 * time to ask again is left open.
 */
inline ask_writeback(pages, unread)
{
    assert(source_lives);
    unread = writeback_queued;
    writeback_queued = false;
    if
    :: unread -> happens("WRITEBACK is merged")
    :: unread && planted == WRITEBACK_FORGETS -> writeback_pages = 0
    :: !unread -> writeback_pages = 0
    fi;
    if
    :: unread || (!complete_wanted && !complete_sent && !closed) || planted == WRITEBACK_ALWAYS ->
        if
        :: port_closed -> writeback_pages = 0
        :: !port_closed ->
            assert(may_send && !complete_wanted);
            writeback_pages = writeback_pages | pages;
            writeback_owed = writeback_owed | pages;
            assert((writeback_owed & ~writeback_pages) == 0);   /* merged, not replaced */
            writeback_queued = true;
            references++
        fi
    :: !unread
    fi
}

inline drop_after_merge(unread)
{
    if
    :: unread && planted != WRITEBACK_KEPT -> user_source_unref(); assert(source_lives)
    :: else
    fi;
    unread = false
}

/* port_withdraw of it. */
inline withdraw_writeback(withdrawn)
{
    if
    :: writeback_queued && planted != WRITEBACK_STAYS ->
        happens("WRITEBACK is withdrawn");
        writeback_queued = false;
        writeback_pages = 0;
        writeback_owed = 0;
        withdrawn++
    :: else
    fi
}

/* --- The end of the service. --- */

/* user_source_send_complete: the part under the lock; references to be dropped afterwards are counted. */
inline send_complete(withdrawn)
{
    assert(source_lives);
    withdraw_writeback(withdrawn);
    if
    :: (!complete_sent || planted == COMPLETE_TWICE) && !complete_wanted && !closed ->
        complete_wanted = true;
        if
        :: !packet_busy -> send_next()
        :: else -> happens("COMPLETE waits for the packet")
        fi
    :: else -> happens("COMPLETE is not sent again")
    fi
}

/* close_source: the same. */
inline close_packets(withdrawn)
{
    assert(source_lives);
    closed = planted != COMPLETE_AFTER_CLOSE;
    if
    :: withdrawable ->
        if
        :: command == COMPLETE && vmo_references == 0 -> happens("COMPLETE of a VMO that is gone is withdrawn")
        :: else
        fi;
        withdraw();
        withdrawn++
    :: else
    fi;
    withdraw_writeback(withdrawn)
}

inline drop_withdrawn(withdrawn)
{
    do
    :: withdrawn > 0 -> user_source_unref(); withdrawn--
    :: else -> break
    od
}

/* take_source: a reference, and one to the VMO if that lives.  Under sources_lock. */
inline take_source(taken, with_vmo)
{
    pager_closed = true;
    if
    :: listed && (references > 0 || planted == TAKE_THE_DYING) &&
       (source_vmo || planted != COMPLETE_STAYS) ->
        assert(!freed);
        references++;
        listed = false;
        taken = true;
        with_vmo = source_vmo && vmo_references > 0;
        if
        :: with_vmo -> vmo_references++
        :: else -> happens("a source is closed whose VMO is gone")
        fi
    :: else -> happens("no source is left to close")
    fi
}
