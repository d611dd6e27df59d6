/*
 * Copyright 2026 The flow authors
 * SPDX-License-Identifier: Apache-2.0
 *
 * File: verification/pipe.pml
 *
 * A model of the two ends of a pipe with threads, for the checker SPIN: the
 * protocol of flow.cc and flow_core.cc (who takes a direction, who sends its end,
 * who waits, who frees) on the rules of flow_state.cc and pipe_state.cc. SPIN
 * tries every order in which the steps of all threads can happen.
 * docs/formal_model.md says what is checked and how large it is;
 * tools/check_model.sh checks it.
 *
 * How to read it: inlines and fields have the names of flow_state.cc and
 * flow_core.cc (typedef End) and of pipe_state.cc (typedef PipeDirection).
 * PipeRead() and its like are the functions of the transport in pipe.cc. End 0 is
 * left; direction 0 is the one that end 0 writes. A thread runs alone until it
 * yields, blocks or ends. What happens between two Yield() is
 *
 *   - one atomic operation on the word of a Gate (Take, Give, the load before
 *     it), or
 *   - one stretch under the mutex `mu_` of an end, or
 *   - one stretch under the mutex of the pipe.
 *
 * A stretch may be one step, as what it touches is touched under its mutex only.
 * The words are the exception: a stretch changes each of them once, or looks at
 * both when they can only become idle (IDLE, as OVER is set in both by then).
 *
 * Waiting is as it is in the code, so that a lost wake-up is a deadlock here: in
 * the pipe a thread sleeps until it is signaled; in mu_.Await() it looks again
 * when somebody unlocks `mu_`, and not when a word changes. A deadline is a choice
 * to go on at any time.
 *
 * Left out: weak memory (every step is seen by all at once; TSan looks after the
 * rest), empty writes, Reads of several bytes, read deadlines, buffers that go
 * beyond the capacity, a second reader or writer, calls from inside a hook, a
 * Read that fails by itself, PatientClose(), the texts of errors, and all flows
 * but the pipe. FinishRead() and EndRead() are one stretch.
 *
 * Macros (-D):
 *   LEFT, RIGHT    the threads of each end: a sum of the roles below
 *   CAPACITY       of the pipe, in bytes per direction; 0 is a rendezvous
 *   WRITES, BYTES  how often a writer writes how many bytes
 *   REACH          a condition that some run must meet: then an "error" is found
 *   PLANT_...      plants an error that must be found
 */

#define READER 1          /* reads until there is no more */
#define WRITER 2          /* writes WRITES times BYTES bytes, stops at an error */
#define CLOSER 4          /* Close(), without a deadline */
#define HASTY_CLOSER 8    /* a Close() with a deadline, joining the other if any */
#define JOINER 16         /* a second Close() without a deadline */
#define ABORTER 32        /* Abort(reason) */
#define ENDER 64          /* Shutdown(kWrite) */
#define REFUSER 128       /* Shutdown(kRead) */
#define HASTY_WRITES 256  /* not a thread: the writer has a deadline */
#define DESTROYER 512     /* perhaps Shutdown(kWrite), then the destructor; the end
                             must have no other thread */

#ifndef CAPACITY
#define CAPACITY 1
#endif
#ifndef WRITES
#define WRITES 1
#endif
#ifndef BYTES
#define BYTES 2
#endif

#define HAS(e, role) ((((e) == 0) -> (LEFT) : (RIGHT)) & (role))
/* What no end has is left out, which makes compiling faster. */
#define ANY(role) (((LEFT) | (RIGHT)) & (role))

/* The rules, as names in the messages of failed assertions. */
hidden byte NoByteLostOrRepeated = 0;      /* and none out of order */
hidden byte EndOfFileAfterTheLastByte = 0;
hidden byte ReasonAfterTheLastByte = 0;
hidden byte NoEndOfFileAfterAbort = 0;     /* unless the direction had ended */
hidden byte FirstMoveWins = 0;
hidden byte EndAfterTheWrite = 0;
hidden byte FailedWriteNeverEnds = 0;
hidden byte EveryWaitIsDocumented = 0;
hidden byte AbortWakesAll = 0;
hidden byte CloseWaitsForTheRemote = 0;
hidden byte CloseOkMeansWhole = 0;
hidden byte ClosesAgree = 0;
hidden byte CloseFrees = 0;
hidden byte FreedOnce = 0;
hidden byte FreedAfterEveryHook = 0;
hidden byte LostDataIsNoSuccess = 0;
hidden byte NotReached = 0;

#define RULE(name, condition) assert(name || (condition))

mtype = {
  Open, Ended, Refused, Broken,            /* a direction */
  Data, EndOfFile, Reason, Closed, Deadline, /* what a hook or call returns */
  None, Ok, OwnReason, OutError, InError, RemoteError, FreeError, /* of Close */
  NoHook, RefusingRead, EndingWrite, AwaitingRemoteEnd, Aborting, Freeing,
  NotYet, IsDue, IsRunning, IsDone         /* AwaitRemoteEnd() */
};

/* --- The pipe: a direction has the number of the end that writes it. */

typedef PipeDirection {
  mtype state = Open;
  bool demand;        /* a Read waits, for one byte */
  bool offered;       /* a write waits, with `left` bytes */
  byte left;          /* of the write under way; a Read takes from it, too */
  bool closer_waits;  /* in PipeAwaitRemoteEnd(), at the reading end */
  byte returned;      /* bytes that PipeRead() has returned */
  bool reader_asleep; /* on its condition variable */
  bool writer_asleep;
  bool closer_asleep;
  /* What really happened, for the rules only. */
  mtype first = Open; /* the first move */
  byte accepted;      /* bytes that writes were told were taken */
  byte got;           /* bytes that Read() has counted */
}
PipeDirection p[2];
#if CAPACITY > 0
#define SLOTS CAPACITY
#define ROOM(d) (len(queue[d]) < CAPACITY)
#else
#define SLOTS 1
#define ROOM(d) (p[d].demand && len(queue[d]) == 0)
#endif
chan queue[2] = [SLOTS] of { byte };  /* bytes are numbered */
bool gone[2];  /* PipeAbort() of that end was called: its mark */

/* --- An end: class FlowState. Its outbound direction has the number of the end. */

#define BUSY 1  /* a call is under way */
#define OVER 2  /* no new call may begin */

typedef End {
  byte in_word;
  byte out_word;
  mtype in_state = Open;
  mtype out_state = Open;
  bool end_requested;
  bool end_sent;
  bool aborted;
  bool closing;
  mtype await = NotYet;
  bool remote_error;  /* of AwaitRemoteEnd() */
  mtype closed = None;
  bool free_when_idle;
  bool freed;
  bool refuse_due;
  bool end_due;
  bool abort_due;
  bool free_due;
  bool free_is_for_closer;
  byte running;  /* functions of the transport other than reads and writes */
  bool asleep[2];  /* a thread is in mu_.Await() */
  /* What really happens, for the rules only. */
  bool reading;  /* from Take to the return */
  bool writing;
  bool write_runs;  /* PipeWrite() */
  byte inside;  /* functions of the transport that have begun and not returned */
  byte frees;    /* PipeFree() calls */
  bool end_called;  /* Shutdown(kWrite) or Close */
  bool refuse_called;
  bool abort_called;
  bool cut;  /* a write failed after the end was requested */
  bool end_by_write;  /* the write under way sent the end */
  bool freed_by_call;  /* a Read or write was the last, and freed */
  bool lost;  /* destroyed before all was read and before the remote had freed */
  bool joined;  /* a Close joined another */
  byte closers;  /* threads that are in Close() */
  mtype read_end = None;  /* what the last Read returned */
}
End b[2];
byte threads;  /* that have not ended */

/* --- Scheduling */

/* Another thread may run here: the handshake ends an atomic sequence. */
chan turn = [0] of { bit };
active proctype Scheduler() {
end:
  do
  :: turn?_
  od
}
inline Yield() { turn!0 }

/* mu_.Unlock(): those in Await() look at their conditions again. An atomic
 * operation on a word does not do that. */
inline Unlock(e) {
  b[e].asleep[0] = false;
  b[e].asleep[1] = false;
  Yield()
}

/* mu_.AwaitWithDeadline(). */
inline Await(e, me, condition, hasty) {
  timed_out = false;
  do
  :: condition -> break
  :: else ->
     b[e].asleep[me] = true;
     if
     :: hasty -> Yield()
     :: else
     fi;
     if
     :: !b[e].asleep[me]
     :: hasty -> timed_out = !(condition); break
     fi
  od;
  b[e].asleep[me] = false
}

/* --- The transport. Each stretch is under the mutex of the pipe. */

inline BeginHook(e) {
  RULE(FreedAfterEveryHook, b[e].frees == 0);
  b[e].inside++
}

inline Admit(d) {
  do
  :: p[d].left > 0 && ROOM(d) ->
     queue[d]!p[d].accepted;
     p[d].accepted++;
     p[d].left--
  :: else -> break
  od
}

inline PipeRead(e, d) {
  do
  :: gone[e] -> result = Reason; break
  :: else ->
     p[d].demand = true;
     if
     :: p[d].offered -> Admit(d)
     :: else
     fi;
     if
#ifdef PLANT_END_BEFORE_DATA
     :: p[d].state == Ended -> result = EndOfFile; break
#endif
     :: len(queue[d]) > 0 ->
        p[d].demand = false;
        queue[d]?value;
        p[d].returned++;
        result = Data;
        if
        :: p[d].offered ->
           Admit(d);
           if
           :: p[d].left == 0 ->
              p[d].offered = false;
#ifndef PLANT_READ_WAKES_NO_WRITER
              p[d].writer_asleep = false
#endif
           :: else
           fi
        :: else
        fi;
        break
     :: len(queue[d]) == 0 && p[d].state == Open ->
#ifdef PLANT_LOST_WAKE_UP
        Yield();
#endif
        p[d].reader_asleep = true;
        !p[d].reader_asleep;
#ifdef PLANT_BYTE_DROPPED
        if
        :: len(queue[d]) > 0 -> queue[d]?_
        :: else
        fi
#endif
     :: else ->
        p[d].demand = false;
#ifdef PLANT_END_OF_FILE_FOR_REASON
        result = EndOfFile;
#else
        result = (p[d].state == Broken -> Reason : EndOfFile);
#endif
        break
     fi
  od;
  b[e].inside--
}

inline PipeWrite(e) {
  p[e].left = BYTES;
  do
  :: p[e].offered = false;
     if
     :: p[e].left == 0 -> result = Ok; break
     :: p[e].left > 0 && (gone[e] || p[e].state == Broken) ->
        result = Reason;
        break
     :: p[e].left > 0 && !gone[e] && p[e].state == Refused ->
        result = Closed;
        break
     :: p[e].left > 0 && !gone[e] && p[e].state == Ended ->
        RULE(EndAfterTheWrite, false)
     :: else
     fi;
     Admit(e);
     if
     :: p[e].demand && len(queue[e]) > 0 ->
        p[e].demand = false;
        p[e].reader_asleep = false
     :: else
     fi;
     if
     :: p[e].left == 0 -> result = Ok; break
     :: else
     fi;
     p[e].offered = true;
     p[e].writer_asleep = true;
     if
     :: HAS(e, HASTY_WRITES) -> Yield()
     :: else
     fi;
     if
     :: !p[e].writer_asleep
     :: HAS(e, HASTY_WRITES) ->
        p[e].writer_asleep = false;
        if
        :: p[e].offered -> p[e].offered = false; result = Deadline; break
        :: else
        fi
     fi
  od;
  b[e].inside--
}

#if defined(PLANT_ABORT_OVERWRITES_END)
#define MOVES(d, to) (p[d].state == Open || (p[d].state == Ended && to == Broken))
#elif defined(PLANT_END_OVERWRITES_ABORT)
#define MOVES(d, to) (p[d].state == Open || (p[d].state == Broken && to == Ended))
#else
#define MOVES(d, to) (p[d].state == Open)
#endif

/* The first move wins, and wakes those that wait. */
inline Move(d, to) {
  if
  :: p[d].first == Open -> p[d].first = to
  :: else
  fi;
  if
  :: MOVES(d, to) ->
     p[d].state = to;
#ifndef PLANT_MOVE_WAKES_NO_READER
     if
     :: p[d].demand -> p[d].demand = false; p[d].reader_asleep = false
     :: else
     fi;
#endif
#ifndef PLANT_MOVE_WAKES_NO_WRITER
     if
     :: p[d].offered -> p[d].offered = false; p[d].writer_asleep = false
     :: else
     fi;
#endif
#ifndef PLANT_MOVE_WAKES_NO_CLOSER
     if
     :: p[d].closer_waits -> p[d].closer_waits = false; p[d].closer_asleep = false
     :: else
     fi
#endif
  :: else
  fi
}

/* Ends (`good`) or breaks the outbound direction. */
inline PipeEndWrite(e, good) {
  RULE(EndAfterTheWrite, !b[e].write_runs);
  RULE(FailedWriteNeverEnds, !good || !b[e].cut);
  if
#ifndef PLANT_END_OVERWRITES_ABORT
  :: gone[e]
#endif
  :: else ->
     if
     :: good -> Move(e, Ended)
     :: else -> Move(e, Broken)
     fi
  fi;
  hook_result = (gone[e] || (good && p[e].state == Broken) -> Reason : Ok);
  b[e].inside--
}

inline Discard(d) {
  do
  :: len(queue[d]) > 0 -> queue[d]?_
  :: else -> break
  od
}

inline PipeRefuseRead(e, d) {
  Move(d, Refused);
  Discard(d);
  b[e].inside--
}

inline PipeAwaitRemoteEnd(e, d, hasty) {
  do
  :: gone[e] || p[d].state == Broken -> hook_result = Reason; break
  :: !gone[e] && (p[d].state == Ended || p[d].state == Refused) ->
     hook_result = Ok;
     break
  :: else ->
     p[d].closer_waits = true;
     p[d].closer_asleep = true;
     if
     :: hasty -> Yield()
     :: else
     fi;
     if
     :: !p[d].closer_asleep
     :: hasty ->
        p[d].closer_asleep = false;
        if
        :: p[d].closer_waits ->
           p[d].closer_waits = false;
           hook_result = Deadline;
           break
        :: else
        fi
     fi
  od;
  b[e].inside--
}

inline PipeAbort(e, d) {
  gone[e] = true;
  Move(e, Broken);
  if
  :: p[d].state == Open -> Discard(d)
  :: else
  fi;
  Move(d, Broken);
  b[e].inside--
}

inline PipeFree(e, d) {
  RULE(FreedOnce, b[e].frees == 0);
  b[e].frees++;
  RULE(FreedAfterEveryHook, b[e].inside == 1);
  b[e].lost = gone[e] && p[d].first == Ended && b[d].frees == 0 &&
              p[d].got < p[d].accepted && !b[e].refuse_called;
  if
#ifndef PLANT_DESTROYED_IS_DRAINED
  :: gone[e] && p[d].state == Ended &&
     (len(queue[d]) > 0 || p[d].returned != p[d].got) ->
     p[d].state = Broken
#endif
  :: else
  fi;
  Discard(d);
  /* From here a Close learns of an abort that nothing else has told it. */
#ifdef PLANT_FREE_KEEPS_QUIET
  hook_result = Ok;
#else
  hook_result = (p[e].state == Broken || p[d].state == Broken -> Reason : Ok);
#endif
  b[e].inside--
}

/* --- The moves of FlowState, each in a stretch under `mu_` */

#define IDLE(e) ((b[e].in_word & BUSY) == 0 && \
                 (b[e].out_word & BUSY) == 0 && NO_HOOK(e))
#define NO_HOOK(e) (b[e].running == 0 && !b[e].refuse_due && !b[e].end_due && \
                    !b[e].abort_due)
#if defined(PLANT_FREED_TWICE)
#define CAN_FREE(e) IDLE(e)
#elif defined(PLANT_FREED_WHILE_BUSY)
#define CAN_FREE(e) (!b[e].freed && NO_HOOK(e))
#else
#define CAN_FREE(e) (!b[e].freed && IDLE(e))
#endif

inline Advance(e) {
  if
  :: b[e].closing && b[e].closed == None && b[e].end_sent &&
     (b[e].out_word & BUSY) == 0 ->
     if
#ifdef PLANT_CLOSE_DOES_NOT_WAIT
     :: b[e].await == NotYet -> b[e].await = IsDone
#else
     :: b[e].await == NotYet ->
        b[e].await = (b[e].in_state == Open || b[e].in_state == Refused ->
                      IsDue : IsDone)
#endif
     :: else
     fi;
     if
     :: b[e].await == IsDone ->
#ifndef PLANT_READS_GO_ON
        b[e].in_word = b[e].in_word | OVER;
#endif
        if
        :: !b[e].freed && IDLE(e) ->
           b[e].freed = true;
           b[e].free_due = true;
           b[e].free_is_for_closer = true
        :: else
        fi
     :: else
     fi
  :: else
  fi;
  if
  :: b[e].free_when_idle && CAN_FREE(e) ->
     b[e].freed = true;
     b[e].free_due = true
  :: else
  fi
}

inline Latch(e, outcome) {
  if
  :: b[e].closed == None -> b[e].closed = outcome
  :: else
  fi;
  b[e].free_when_idle = true;
  Advance(e)
}

inline RefuseRead(e) {
  b[e].refuse_called = true;
  if
  :: !b[e].aborted && b[e].in_state == Open && !b[e].freed ->
     b[e].in_state = Refused;
     b[e].in_word = b[e].in_word | OVER;
     b[e].refuse_due = true
  :: else
  fi
}

inline RequestEnd(e) {
  b[e].end_called = true;
  if
  :: !b[e].aborted && b[e].out_state == Open && !b[e].end_requested ->
     b[e].end_requested = true;
#ifdef PLANT_END_DURING_WRITE
     b[e].end_due = true;
#else
     b[e].end_due = (b[e].out_word & BUSY) == 0;
#endif
     b[e].out_word = b[e].out_word | OVER
  :: else
  fi
}

inline AbortBoth(e) {
  b[e].abort_called = true;
  b[e].aborted = true;
  b[e].in_word = b[e].in_word | OVER;
  b[e].out_word = b[e].out_word | OVER;
  b[e].end_due = false;
  b[e].refuse_due = false;
  if
  :: b[e].await == IsDue -> b[e].await = IsDone
  :: else
  fi;
  if
  :: !IDLE(e) -> b[e].free_when_idle = true
  :: else
  fi;
  b[e].abort_due = true;
  if
  :: b[e].closing -> Latch(e, OwnReason)
  :: else
  fi
}

inline Abort(e) {
  if
  :: b[e].aborted || b[e].freed || b[e].closed != None
  :: else -> AbortBoth(e)
  fi
}

inline BeginClose(e) {
  b[e].closing = true;
  RequestEnd(e);
  if
  :: b[e].aborted -> Latch(e, OwnReason)
  :: else
  fi;
  Advance(e)
}

inline GiveUpClose(e) {
  if
  :: b[e].closed != None || (b[e].freed && !b[e].aborted)
  :: b[e].closed == None && b[e].aborted -> Latch(e, OwnReason)
  :: else ->
     b[e].closed = Deadline;
     AbortBoth(e);
     Latch(e, Deadline)
  fi
}

inline Destroy(e) {
  assert(IDLE(e) && b[e].closers == 0);
  if
  :: !b[e].aborted && b[e].closed == None -> AbortBoth(e)
  :: else
  fi;
  b[e].free_when_idle = true;
  Advance(e)
}

inline EndRead(e) {
  b[e].in_word = b[e].in_word & OVER;
  Advance(e);
  b[e].freed_by_call =
      b[e].freed_by_call || (b[e].free_due && !b[e].free_is_for_closer)
}

inline EndWrite(e) {
  b[e].out_word = b[e].out_word & OVER;
  b[e].end_due =
      !b[e].aborted && (b[e].end_requested || b[e].out_state == Broken);
  b[e].end_by_write = b[e].end_due && b[e].end_requested;
  Advance(e)
}

/* The next function to run, which has then begun, is in `hook`. */
inline TakeDue(e, closer) {
  hook = NoHook;
  if
  :: b[e].refuse_due -> b[e].refuse_due = false; hook = RefusingRead
  :: !b[e].refuse_due && b[e].end_due ->
     b[e].end_due = false;
     good = b[e].out_state == Open;
     hook = EndingWrite
  :: !b[e].refuse_due && !b[e].end_due && b[e].abort_due ->
     b[e].abort_due = false;
     hook = Aborting
  :: else ->
     if
     :: b[e].free_due && (closer || !b[e].free_is_for_closer) ->
        b[e].free_due = false;
        hook = Freeing
     :: else ->
        if
        :: closer && b[e].await == IsDue ->
           b[e].await = IsRunning;
           hook = AwaitingRemoteEnd
        :: else
        fi
     fi
  fi;
  if
  :: hook != NoHook ->
     b[e].running++;
     if
     :: hook == Freeing -> b[e].inside++  /* PipeFree() checks the rules */
     :: else -> BeginHook(e)
     fi
  :: else
  fi
}

inline Finish(e) {
  b[e].running--;
  if
  :: hook == EndingWrite ->
     b[e].end_sent = true;
     if
     :: b[e].aborted || b[e].out_state != Open
     :: else -> b[e].out_state = (hook_result == Ok -> Ended : Broken)
     fi
  :: hook == AwaitingRemoteEnd ->
     b[e].await = IsDone;
     b[e].remote_error = hook_result != Ok
  :: hook == Freeing && b[e].closed == None && !b[e].aborted ->
     b[e].closed = (b[e].out_state == Broken -> OutError :
                    (b[e].in_state == Broken -> InError :
                     (b[e].remote_error -> RemoteError :
                      (hook_result != Ok -> FreeError : Ok))));
     b[e].free_when_idle = true
  :: else
  fi;
  good = false;
  hook_result = None;
  Advance(e)
}

/* --- FlowCore */

/* Run(): what is due, and what becomes due by that. Begins and ends in a stretch
 * under `mu_`. */
inline RunDue(e) {
  do
  :: hook == NoHook -> break
  :: else ->
     Unlock(e);
     if
     :: hook == RefusingRead -> PipeRefuseRead(e, 1 - e)
     :: hook == EndingWrite -> PipeEndWrite(e, good)
     :: hook == Aborting -> PipeAbort(e, 1 - e)
     :: hook == Freeing -> PipeFree(e, 1 - e)
     fi;
     Yield();
     Finish(e);
     TakeDue(e, false)
  od
}

/* After a move. */
inline RunWhatItMadeDue(e) {
  TakeDue(e, false);
  RunDue(e)
}

#define CAN_GO_ON(e) \
  (b[e].closed != None || b[e].free_due || b[e].await == IsDue)

inline RunClose(e, me, hasty) {
  do
  :: Await(e, me, CAN_GO_ON(e), hasty);
     if
     :: timed_out -> GiveUpClose(e)
     :: else
     fi;
     timed_out = false;
     TakeDue(e, true);
     if
     :: hook == NoHook && b[e].closed != None -> mine = b[e].closed; break
     :: hook == AwaitingRemoteEnd ->
        Unlock(e);
        PipeAwaitRemoteEnd(e, 1 - e, hasty);
        Yield();
        if
        :: hook_result == Deadline -> GiveUpClose(e)
        :: else
        fi;
        Finish(e);
        TakeDue(e, false)
     :: else
     fi;
     RunDue(e);
     Unlock(e)
  od
}

inline JoinClose(e, me, hasty) {
  b[e].joined = true;
  Await(e, me, b[e].closed != None, hasty);
#ifdef PLANT_JOINER_HAS_ITS_OWN_RESULT
  if
  :: timed_out -> mine = Deadline
  :: else -> mine = b[e].closed
  fi
#else
  if
  :: timed_out ->
     GiveUpClose(e);
     RunWhatItMadeDue(e);
     Unlock(e);
     Await(e, me, b[e].closed != None, false)
  :: else
  fi;
  mine = b[e].closed
#endif
}

/* --- The threads */

/* What a Read gets that may not begin, or is discarded. */
inline ReadAnswer(e) {
  if
  :: b[e].in_state == Broken -> result = Reason
  :: b[e].in_state != Broken && b[e].aborted -> result = OwnReason
  :: b[e].in_state != Broken && !b[e].aborted &&
     (b[e].closed != None || b[e].in_state == Open) -> result = Closed
  :: else -> result = EndOfFile
  fi
}

inline Count(d) {
  RULE(NoByteLostOrRepeated, value == p[d].got);
  p[d].got++
}

#if ANY(READER)
/* Read() until there is no more. */
proctype Reader(byte e) {
  byte value;
  mtype result = None, hook = NoHook, hook_result = None;
  bool good, disturbed;
  atomic {
    do
    :: b[e].reading = true;
       if
       :: b[e].in_word == 0 ->  /* Take() */
          b[e].in_word = BUSY;
          BeginHook(e);
          Yield();
          PipeRead(e, 1 - e);
          Yield();
          disturbed = true;
          if
          :: result == Data && b[e].in_word == BUSY ->  /* undisturbed() */
             Count(1 - e);
             Yield();
             if
             :: b[e].in_word == BUSY ->
                b[e].in_word = 0;  /* Give() */
                disturbed = false
             :: else -> Yield()
             fi
          :: else ->
             Yield();
             /* FinishRead() */
             if
             :: b[e].aborted || b[e].in_state != Open -> ReadAnswer(e)
             :: else ->
                if
                :: result == Reason ->
                   b[e].in_state = Broken;
                   b[e].in_word = b[e].in_word | OVER;
                   b[e].refuse_due = b[e].closing
                :: result == EndOfFile ->
                   b[e].in_state = Ended;
                   b[e].in_word = b[e].in_word | OVER
                :: else -> Count(1 - e)
                fi
             fi
          fi;
          if
          :: disturbed -> EndRead(e); RunWhatItMadeDue(e); Unlock(e)
          :: else
          fi
       :: else ->
          assert((b[e].in_word & BUSY) == 0);  /* one reader only */
          Yield();
          ReadAnswer(e);
          Unlock(e)
       fi;
       b[e].reading = false;
       if
       :: result == Data
       :: else -> break
       fi
    od;
    if
    :: result == EndOfFile && b[e].in_state == Ended ->
       RULE(NoEndOfFileAfterAbort, p[1 - e].first == Ended);
       RULE(EndOfFileAfterTheLastByte, p[1 - e].got == p[1 - e].accepted)
    :: result == EndOfFile && b[e].in_state != Ended ->
       RULE(NoEndOfFileAfterAbort, b[e].refuse_called)
    :: result == Reason ->
       RULE(FirstMoveWins, p[1 - e].first == Broken);
       RULE(ReasonAfterTheLastByte, p[1 - e].got == p[1 - e].accepted)
    :: result == OwnReason ->
       RULE(FirstMoveWins, b[e].abort_called)
    :: result == Closed ->
       RULE(FirstMoveWins, b[e].await == IsDone || b[e].closed != None)
    fi;
    b[e].read_end = result;
    threads--
  }
}
#endif

#if ANY(WRITER)
/* WRITES times Write() of BYTES bytes. */
proctype Writer(byte e) {
  byte todo = WRITES;
  mtype result = None, hook = NoHook, hook_result = None;
  bool good, disturbed;
  atomic {
    do
    :: todo == 0 -> break
    :: else ->
       todo--;
       b[e].writing = true;
       if
       :: b[e].out_word == 0 ->  /* Take() */
          b[e].out_word = BUSY;
          BeginHook(e);
          b[e].write_runs = true;
          Yield();
          PipeWrite(e);
          b[e].write_runs = false;
          Yield();
          disturbed = true;
          if
          :: result == Ok && b[e].out_word == BUSY ->  /* undisturbed() */
             Yield();
             if
#ifdef PLANT_PLAIN_STORE
             :: true ->
#else
             :: b[e].out_word == BUSY ->
#endif
                b[e].out_word = 0;  /* Give() */
                disturbed = false
#ifndef PLANT_PLAIN_STORE
             :: else -> Yield()
#endif
             fi
          :: else ->
             Yield();
             /* FinishWrite() */
             if
             :: b[e].aborted || result == Ok
             :: else ->
                b[e].cut = b[e].end_requested;
                if
#ifdef PLANT_FAILED_WRITE_ENDS
                :: result != Deadline ->
#else
                :: result != Deadline || b[e].end_requested ->
#endif
                   b[e].out_state = Broken;
                   b[e].out_word = b[e].out_word | OVER
                :: else
                fi
             fi
          fi;
          if
          :: disturbed -> EndWrite(e); RunWhatItMadeDue(e); Unlock(e)
          :: else
          fi
       :: else ->
          assert((b[e].out_word & BUSY) == 0);  /* one writer only */
          result = Closed  /* WriteAnswer() */
       fi;
       b[e].writing = false;
       if
       :: result != Ok -> break
       :: else
       fi
    od;
    threads--
  }
}
#endif

#if ANY(CLOSER + HASTY_CLOSER + JOINER)
proctype Closer(byte e; byte me; bool hasty) {
  mtype hook = NoHook, hook_result = None, mine = None;
  bool good, timed_out;
  atomic {
    b[e].end_called = true;
    b[e].closers++;
    if
    :: b[e].closed != None -> mine = b[e].closed
    :: else ->
       if
       :: b[e].closing -> JoinClose(e, me, hasty)
       :: else ->
          BeginClose(e);
          RunWhatItMadeDue(e);
          Unlock(e);
          RunClose(e, me, hasty)
       fi
    fi;
    b[e].closers--;
    RULE(ClosesAgree, mine == b[e].closed);
    RULE(CloseWaitsForTheRemote,
         mine == Deadline || mine == OwnReason || p[1 - e].first != Open);
    RULE(CloseOkMeansWhole,
         mine != Ok || (p[e].first != Broken && p[1 - e].first != Broken));
    Unlock(e);
    threads--
  }
}
#endif

#if ANY(ABORTER)
proctype Aborter(byte e) {
  mtype hook = NoHook, hook_result = None;
  bool good;
  atomic {
    Abort(e);
    RunWhatItMadeDue(e);
    Unlock(e);
    threads--
  }
}
#endif

#if ANY(ENDER)
proctype Ender(byte e) {
  mtype hook = NoHook, hook_result = None;
  bool good;
  atomic {
    RequestEnd(e);
    RunWhatItMadeDue(e);
    Unlock(e);
    threads--
  }
}
#endif

#if ANY(REFUSER)
proctype Refuser(byte e) {
  mtype hook = NoHook, hook_result = None;
  bool good;
  atomic {
    RefuseRead(e);
    RunWhatItMadeDue(e);
    Unlock(e);
    threads--
  }
}
#endif

#if ANY(DESTROYER)
proctype Destroyer(byte e) {
  mtype hook = NoHook, hook_result = None;
  bool good;
  atomic {
    if
    :: true
    :: RequestEnd(e)
    fi;
    RunWhatItMadeDue(e);
    Destroy(e);
    RunWhatItMadeDue(e);
    threads--
  }
}
#endif

/* --- What may wait for ever, and what must have happened in the end */

/* A Read: only while its direction is open and empty and nobody has ended it. */
inline CheckReader(e, d) {
  RULE(EveryWaitIsDocumented,
       !b[e].reading ||
       (p[d].first == Open && p[d].got == p[d].accepted && !b[d].writing &&
        !b[d].end_called && !b[d].abort_called && !b[e].abort_called &&
        !b[e].refuse_called))
}

/* A write: only while its direction is open and nobody reads. */
inline CheckWriter(e, d) {
  RULE(EveryWaitIsDocumented,
       !b[e].writing ||
       (p[e].first == Open && !b[d].reading && !b[d].refuse_called &&
        !b[d].abort_called && !b[e].abort_called))
}

/* A Close: for its own write, or for a remote that has not called Shutdown or
 * Close or whose write waits. */
inline CheckClosers(e, d) {
  RULE(EveryWaitIsDocumented,
       b[e].closers == 0 ||
       (!b[e].abort_called && !b[d].abort_called &&
        ((b[e].await == NotYet && b[e].writing) ||
         (b[e].await == IsRunning && p[d].first == Open && !b[e].refuse_called &&
          (!b[d].end_called || b[d].writing)))));
  RULE(CloseFrees, b[e].closed == None || b[e].frees == 1)
}

/* What some run must reach (-DREACH=...), or else the model would be empty. */
#define SENT (WRITES * BYTES)
#define ALL_READ_AND_BOTH_CLOSED \
  (b[0].closed == Ok && b[1].closed == Ok && p[0].got == SENT && \
   b[1].read_end == EndOfFile && b[1].in_state == Ended)
#define END_SENT_BY_THE_WRITE \
  (b[0].end_by_write && b[0].closed == Ok && p[0].got == SENT)
#define FREED_BY_THE_LAST_READ (b[1].freed_by_call && b[1].frees == 1)
#define TWO_CLOSES_AGREED_ON_OK (b[0].joined && b[0].closed == Ok)
#define DEADLINE_TOLD_TO_THE_REMOTE \
  (b[0].closed == Deadline && b[1].read_end == Reason)
#define CLOSE_WAITS_FOR_EVER (b[0].await == IsRunning && b[0].closers == 1)
#define ALL_READ_THEN_THE_REASON (p[0].got == SENT && b[1].read_end == Reason)
#define ENDED_THEN_ABORTED \
  (p[0].first == Ended && b[0].abort_called && b[1].read_end == EndOfFile && \
   b[1].in_state == Ended)
#define LOSS_TOLD_TO_CLOSE (b[1].lost && b[0].closed == FreeError)

/* `timeout` is when nothing else can run. */
active proctype Judge() {
  byte one, destroyed;
  mtype hook = NoHook, hook_result = None;
  bool good;
  timeout;
  atomic {
    CheckReader(0, 1);
    CheckReader(1, 0);
    CheckWriter(0, 1);
    CheckWriter(1, 0);
    CheckClosers(0, 1);
    CheckClosers(1, 0);
    RULE(EveryWaitIsDocumented,
         threads == b[0].reading + b[0].writing + b[0].closers +
                    b[1].reading + b[1].writing + b[1].closers);
    RULE(LostDataIsNoSuccess, !b[0].lost || b[1].closed != Ok);
    RULE(LostDataIsNoSuccess, !b[1].lost || b[0].closed != Ok);
#ifdef REACH
    RULE(NotReached, !(REACH));
#endif
    /* To stop calls: abort, join, destroy. Either end wakes both. */
    if
    :: one = 0
    :: one = 1
    fi;
    Abort(one);
    RunWhatItMadeDue(one)
  }
  timeout;
  RULE(AbortWakesAll, threads == 0);
  atomic {
    do
    :: destroyed == 2 -> break
    :: else ->
       Destroy(one);
       RunWhatItMadeDue(one);
       one = 1 - one;
       destroyed++
    od;
    RULE(FreedOnce, b[0].frees == 1 && b[1].frees == 1)
  }
}

inline Run(e) {
#if ANY(READER)
  if
  :: HAS(e, READER) -> threads++; run Reader(e)
  :: else
  fi;
#endif
#if ANY(WRITER)
  if
  :: HAS(e, WRITER) -> threads++; run Writer(e)
  :: else
  fi;
#endif
#if ANY(CLOSER)
  if
  :: HAS(e, CLOSER) -> threads++; run Closer(e, 0, false)
  :: else
  fi;
#endif
#if ANY(HASTY_CLOSER)
  if
  :: HAS(e, HASTY_CLOSER) -> threads++; run Closer(e, 1, true)
  :: else
  fi;
#endif
#if ANY(JOINER)
  if
  :: HAS(e, JOINER) -> threads++; run Closer(e, 1, false)
  :: else
  fi;
#endif
#if ANY(ABORTER)
  if
  :: HAS(e, ABORTER) -> threads++; run Aborter(e)
  :: else
  fi;
#endif
#if ANY(ENDER)
  if
  :: HAS(e, ENDER) -> threads++; run Ender(e)
  :: else
  fi;
#endif
#if ANY(REFUSER)
  if
  :: HAS(e, REFUSER) -> threads++; run Refuser(e)
  :: else
  fi;
#endif
#if ANY(DESTROYER)
  if
  :: HAS(e, DESTROYER) -> threads++; run Destroyer(e)
  :: else
  fi;
#endif
  skip
}

init {
  atomic {
    Run(0);
    Run(1)
  }
}
