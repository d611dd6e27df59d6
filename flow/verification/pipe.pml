/*
 * Copyright 2026 The flow authors
 * SPDX-License-Identifier: Apache-2.0
 *
 * File: internal/pipe.pml
 *
 * A model of the two ends of a pipe with threads, for the checker SPIN: the
 * protocol of flow.cc (who takes a direction, who sends its end, who waits, who
 * frees) on the rules of pipe_state.cc. SPIN tries every order in which the steps
 * of all threads can happen. docs/formal_model.md says what is checked and how
 * large it is; tools/check_model.sh checks it.
 *
 * How to read it: inlines and fields have the names of flow.cc (class Flow,
 * typedef End) and of pipe_state.cc and pipe.cc (typedef PipeDirection, the
 * hooks). End 0 is left; direction 0 is the one that end 0 writes. A thread runs
 * alone until it yields, blocks or ends. What happens between two Yield() is
 *
 *   - one atomic operation on the word of a direction (Take, Give, the load
 *     before it), or
 *   - one stretch under the mutex `mu_` of an end, or
 *   - one stretch under the mutex of the pipe.
 *
 * A stretch may be one step, as what it touches is touched under its mutex only.
 * The words are the exception: a stretch changes each of them once, or looks at
 * both when they can only become idle (Idle(), as OVER is set in both by then).
 *
 * Waiting is as it is in the code, so that a lost wake-up is a deadlock here: in
 * the pipe a thread sleeps until it is signaled; in mu_.Await() it looks again
 * when somebody unlocks `mu_`, and not when a word changes. A deadline is a choice
 * to go on at any time.
 *
 * Left out: weak memory (every step is seen by all at once; TSan looks after the
 * rest), empty writes, Reads of several bytes, read deadlines, buffers that go
 * beyond the capacity, a second reader or writer, calls from inside a hook, a
 * Read that fails by itself, the texts of errors, and all flows but the pipe.
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
  Open, Ended, Refused, Aborted,           /* a direction; Aborted is kBroken too */
  Data, EndOfFile, Reason, Closed, Deadline, /* what a hook or call returns */
  None, Ok, OwnReason, OutError, InError, RemoteError, FreeError  /* of Close */
};

/* --- The pipe: a direction has the number of the end that writes it. */

typedef PipeDirection {
  mtype state = Open;
  bool demand;        /* a Read waits, for one byte */
  bool offered;       /* a write waits, with `left` bytes */
  byte left;          /* of the write under way; a Read takes from it, too */
  bool closer_waits;  /* in DoAwaitRemoteEnd() of the reading end */
  byte returned;      /* bytes that DoRead() has returned */
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
bool gone[2];  /* DoAbort() of that end was called: its mark */

/* --- An end: class Flow. Its outbound direction has the number of the end. */

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
  bool free_when_idle;
  bool freed;
  byte hooks;  /* hook_callers_.size() */
  mtype close_result = None;
  bool asleep[2];  /* a thread is in mu_.Await() */
  /* What really happens, for the rules only. */
  bool reading;  /* from Take to the return */
  bool writing;
  bool write_runs;  /* DoWrite() */
  byte running;  /* hooks that have begun and not returned */
  byte frees;    /* DoFree() calls */
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
  mtype waits = None;  /* of RunClose(): Ok is the write, Open the remote, Closed a call */
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

/* --- Hooks of the pipe. Each stretch is under the mutex of the pipe. */

inline BeginHook(e) {
  RULE(FreedAfterEveryHook, b[e].frees == 0);
  b[e].running++
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

inline DoRead(e, d) {
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
        result = (p[d].state == Aborted -> Reason : EndOfFile);
#endif
        break
     fi
  od;
  b[e].running--
}

inline DoWrite(e) {
  p[e].left = BYTES;
  do
  :: p[e].offered = false;
     if
     :: p[e].left == 0 -> result = Ok; break
     :: p[e].left > 0 && (gone[e] || p[e].state == Aborted) ->
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
  b[e].running--
}

#if defined(PLANT_ABORT_OVERWRITES_END)
#define MOVES(d, to) (p[d].state == Open || (p[d].state == Ended && to == Aborted))
#elif defined(PLANT_END_OVERWRITES_ABORT)
#define MOVES(d, to) (p[d].state == Open || (p[d].state == Aborted && to == Ended))
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
inline DoEndWrite(e, good) {
  RULE(EndAfterTheWrite, !b[e].write_runs);
  RULE(FailedWriteNeverEnds, !good || !b[e].cut);
  if
#ifndef PLANT_END_OVERWRITES_ABORT
  :: gone[e]
#endif
  :: else ->
     if
     :: good -> Move(e, Ended)
     :: else -> Move(e, Aborted)
     fi
  fi;
  hook_result = (gone[e] || (good && p[e].state == Aborted) -> Reason : Ok);
  b[e].running--
}

inline Discard(d) {
  do
  :: len(queue[d]) > 0 -> queue[d]?_
  :: else -> break
  od
}

inline DoShutdownRead(e, d) {
  Move(d, Refused);
  Discard(d);
  b[e].running--
}

inline DoAwaitRemoteEnd(e, d, hasty) {
  do
  :: gone[e] || p[d].state == Aborted -> hook_result = Reason; break
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
  b[e].running--
}

inline DoAbort(e, d) {
  gone[e] = true;
  Move(e, Aborted);
  if
  :: p[d].state == Open -> Discard(d)
  :: else
  fi;
  Move(d, Aborted);
  b[e].running--
}

inline DoFree(e, d) {
  RULE(FreedOnce, b[e].frees == 0);
  b[e].frees++;
  RULE(FreedAfterEveryHook, b[e].running == 1);
  b[e].lost = gone[e] && p[d].first == Ended && b[d].frees == 0 &&
              p[d].got < p[d].accepted && !b[e].refuse_called;
  if
#ifndef PLANT_DESTROYED_IS_DRAINED
  :: gone[e] && p[d].state == Ended &&
     (len(queue[d]) > 0 || p[d].returned != p[d].got) ->
     p[d].state = Aborted
#endif
  :: else
  fi;
  Discard(d);
  /* From here a Close learns of an abort that nothing else has told it. */
#ifdef PLANT_FREE_KEEPS_QUIET
  free_result = Ok;
#else
  free_result = (p[e].state == Aborted || p[d].state == Aborted -> Reason : Ok);
#endif
  b[e].running--
}

/* --- The moves of class Flow. A call to a hook gives `mu_` up meanwhile. */

#define IDLE(e) ((b[e].in_word & BUSY) == 0 && \
                 (b[e].out_word & BUSY) == 0 && b[e].hooks == 0)


inline Free(e) {
  b[e].freed = true;
  b[e].hooks++;
  b[e].running++;
  Unlock(e);
  DoFree(e, 1 - e);
  Yield();
  b[e].hooks--
}

inline FreeIfLast(e) {
  if
#if defined(PLANT_FREED_TWICE)
  :: b[e].free_when_idle && IDLE(e) -> Free(e)
#elif defined(PLANT_FREED_WHILE_BUSY)
  :: b[e].free_when_idle && !b[e].freed && b[e].hooks == 0 -> Free(e)
#else
  :: b[e].free_when_idle && !b[e].freed && IDLE(e) -> Free(e)
#endif
  :: else
  fi
}

/* CallHook() is: BeginCallHook, the hook, EndCallHook. */
inline BeginCallHook(e) {
  b[e].hooks++;
  BeginHook(e);
  Unlock(e)
}
inline EndCallHook(e) {
  Yield();
  b[e].hooks--;
  FreeIfLast(e)
}

inline SendEnd(e) {
  good = b[e].out_state == Open;
  BeginCallHook(e);
  DoEndWrite(e, good);
  EndCallHook(e);
  b[e].end_sent = true;
  if
  :: b[e].aborted || b[e].out_state != Open
  :: else -> b[e].out_state = (hook_result == Ok -> Ended : Aborted)
  fi
}

inline EndWrite(e) {
  b[e].end_called = true;
  if
  :: !b[e].aborted && b[e].out_state == Open && !b[e].end_requested ->
     b[e].end_requested = true;
     before = b[e].out_word;
     b[e].out_word = before | OVER;
     if
#ifdef PLANT_END_DURING_WRITE
     :: true -> SendEnd(e)
#else
     :: (before & BUSY) == 0 -> SendEnd(e)
     :: else
#endif
     fi
  :: else
  fi
}

inline RefuseRead(e) {
  b[e].refuse_called = true;
  if
  :: !b[e].aborted && b[e].in_state == Open && !b[e].freed ->
     b[e].in_state = Refused;
     b[e].in_word = b[e].in_word | OVER;
     BeginCallHook(e);
     DoShutdownRead(e, 1 - e);
     EndCallHook(e)
  :: else
  fi
}

inline AbortBoth(e) {
  b[e].abort_called = true;
  b[e].aborted = true;
  b[e].in_word = b[e].in_word | OVER;
  b[e].out_word = b[e].out_word | OVER;
  if
  :: !IDLE(e) -> b[e].free_when_idle = true
  :: else
  fi;
  BeginCallHook(e);
  DoAbort(e, 1 - e);
  EndCallHook(e)
}

inline Abort(e) {
  if
  :: b[e].aborted || b[e].freed || b[e].close_result != None
  :: else -> AbortBoth(e)
  fi
}

inline Destroy(e) {
  assert(IDLE(e) && b[e].closers == 0);
  if
  :: !b[e].aborted && b[e].close_result == None -> AbortBoth(e)
  :: else
  fi;
  if
  :: !b[e].freed -> Free(e)
  :: else
  fi
}

inline ReleaseIn(e) {
  b[e].in_word = b[e].in_word & OVER;
  b[e].freed_by_call = b[e].free_when_idle && !b[e].freed && IDLE(e);
  FreeIfLast(e)
}

inline ReleaseOut(e) {
  b[e].out_word = b[e].out_word & OVER;
  if
  :: !b[e].aborted && (b[e].end_requested || b[e].out_state == Aborted) ->
     b[e].end_by_write = b[e].end_requested;
     SendEnd(e)
  :: else
  fi;
  FreeIfLast(e)
}

/* --- Close(), after its first line. */

inline LatchClose(e, outcome) {
  if
  :: b[e].close_result == None -> b[e].close_result = outcome
  :: else
  fi;
  b[e].free_when_idle = true;
  FreeIfLast(e);
  mine = b[e].close_result
}

inline GiveUpClose(e) {
  if
  :: b[e].aborted -> LatchClose(e, OwnReason)
  :: else ->
     b[e].close_result = Deadline;
     AbortBoth(e);
     LatchClose(e, Deadline)
  fi
}

inline RunClose(e, me, hasty) {
  b[e].closing = true;
  hook_result = Ok;

  /* Flush and signal. */
  b[e].waits = Ok;
  EndWrite(e);
  hook_result = Ok;
  Await(e, me, b[e].aborted ||
               (b[e].end_sent && (b[e].out_word & BUSY) == 0), hasty);

  /* Wait for the remote. */
  if
#ifndef PLANT_CLOSE_DOES_NOT_WAIT
  :: !timed_out && !b[e].aborted && b[e].in_state == Open ->
     b[e].waits = Open;
     BeginCallHook(e);
     DoAwaitRemoteEnd(e, 1 - e, hasty);
     EndCallHook(e);
     timed_out = (hook_result == Deadline)
#endif
  :: else
  fi;

  /* Free. */
  if
  :: !timed_out ->
     b[e].waits = Closed;
#ifndef PLANT_READS_GO_ON
     b[e].in_word = b[e].in_word | OVER;
#endif
     Await(e, me, b[e].aborted || IDLE(e), hasty)
  :: else
  fi;
  if
  :: timed_out -> GiveUpClose(e)
  :: !timed_out && b[e].aborted -> LatchClose(e, OwnReason)
  :: else ->
     mine = (b[e].out_state == Aborted -> OutError :
             (b[e].in_state == Aborted -> InError :
              (hook_result != Ok -> RemoteError : Ok)));
     Free(e);
     if
     :: mine == Ok && free_result != Ok -> mine = FreeError
     :: else
     fi;
     LatchClose(e, mine)
  fi;
  b[e].waits = None
}

inline JoinClose(e, me, hasty) {
  b[e].joined = true;
  Await(e, me, b[e].close_result != None, hasty);
  if
  :: timed_out && (!b[e].freed || b[e].aborted) ->
#ifdef PLANT_JOINER_HAS_ITS_OWN_RESULT
     mine = Deadline
#else
     GiveUpClose(e)
#endif
  :: else ->
     Await(e, me, b[e].close_result != None, false);
     mine = b[e].close_result
  fi
}

/* --- The threads */

/* ReadOutcome() */
inline ReadOutcome(e) {
  if
  :: b[e].in_state == Aborted -> result = Reason
  :: b[e].in_state != Aborted && b[e].aborted -> result = OwnReason
  :: b[e].in_state != Aborted && !b[e].aborted &&
     (b[e].close_result != None || b[e].in_state == Open) -> result = Closed
  :: else -> result = EndOfFile
  fi
}

inline Count(d) {
  RULE(NoByteLostOrRepeated, value == p[d].got);
  p[d].got++
}

/* Read() until there is no more. */
proctype Reader(byte e) {
  byte value;
  mtype result = None, free_result = None;
  atomic {
    do
    :: b[e].reading = true;
       if
       :: b[e].in_word == 0 ->  /* Take() */
          b[e].in_word = BUSY;
          BeginHook(e);
          Yield();
          DoRead(e, 1 - e);
          Yield();
          if
          :: result == Data && b[e].in_word == BUSY ->  /* the load */
             Count(1 - e);
             Yield();
             if
             :: b[e].in_word == BUSY -> b[e].in_word = 0  /* Give() */
             :: else ->
                Yield();
                ReleaseIn(e);  /* GiveSlowly() */
                Unlock(e)
             fi
          :: else ->
             Yield();
             /* FinishRead() */
             if
             :: b[e].aborted || b[e].in_state != Open -> ReadOutcome(e)
             :: else ->
                if
                :: result == Reason ->
                   b[e].in_state = Aborted;
                   b[e].in_word = b[e].in_word | OVER
                :: result == EndOfFile ->
                   b[e].in_state = Ended;
                   b[e].in_word = b[e].in_word | OVER
                :: else -> Count(1 - e)
                fi
             fi;
             ReleaseIn(e);
             Unlock(e)
          fi
       :: else ->
          assert((b[e].in_word & BUSY) == 0);  /* one reader only */
          Yield();
          ReadOutcome(e);  /* ReadRefused() */
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
       RULE(FirstMoveWins, p[1 - e].first == Aborted);
       RULE(ReasonAfterTheLastByte, p[1 - e].got == p[1 - e].accepted)
    :: result == OwnReason ->
       RULE(FirstMoveWins, b[e].abort_called)
    :: result == Closed ->
       RULE(FirstMoveWins, b[e].waits == Closed || b[e].close_result != None)
    fi;
    b[e].read_end = result;
    threads--
  }
}

/* WRITES times Write() of BYTES bytes. */
proctype Writer(byte e) {
  byte todo = WRITES;
  mtype result = None, hook_result = None, free_result = None;
  bool good;
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
          DoWrite(e);
          b[e].write_runs = false;
          Yield();
          if
          :: result == Ok && b[e].out_word == BUSY ->  /* the load */
             Yield();
             if
#ifdef PLANT_PLAIN_STORE
             :: true -> b[e].out_word = 0
#else
             :: b[e].out_word == BUSY -> b[e].out_word = 0  /* Give() */
             :: else ->
                Yield();
                ReleaseOut(e);  /* GiveSlowly() */
                Unlock(e)
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
                   b[e].out_state = Aborted;
                   b[e].out_word = b[e].out_word | OVER
                :: else
                fi
             fi;
             ReleaseOut(e);
             Unlock(e)
          fi
       :: else ->
          assert((b[e].out_word & BUSY) == 0);  /* one writer only */
          result = Closed  /* WriteRefused() */
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

proctype Closer(byte e; byte me; bool hasty) {
  byte before;
  mtype hook_result = None, free_result = None, mine = None;
  bool good, timed_out;
  atomic {
    b[e].end_called = true;
    b[e].closers++;
    if
    :: b[e].close_result != None -> mine = b[e].close_result
    :: b[e].close_result == None && b[e].closing -> JoinClose(e, me, hasty)
    :: b[e].close_result == None && !b[e].closing -> RunClose(e, me, hasty)
    fi;
    b[e].closers--;
    RULE(ClosesAgree, mine == b[e].close_result);
    RULE(CloseWaitsForTheRemote,
         mine == Deadline || mine == OwnReason || p[1 - e].first != Open);
    RULE(CloseOkMeansWhole,
         mine != Ok || (p[e].first != Aborted && p[1 - e].first != Aborted));
    Unlock(e);
    threads--
  }
}

proctype Aborter(byte e) {
  mtype free_result = None;
  atomic {
    Abort(e);
    Unlock(e);
    threads--
  }
}

proctype Ender(byte e) {
  byte before;
  mtype hook_result = None, free_result = None;
  bool good;
  atomic {
    EndWrite(e);
    Unlock(e);
    threads--
  }
}

proctype Refuser(byte e) {
  mtype free_result = None;
  atomic {
    RefuseRead(e);
    Unlock(e);
    threads--
  }
}

proctype Destroyer(byte e) {
  byte before;
  mtype hook_result = None, free_result = None;
  bool good;
  atomic {
    if
    :: true
    :: EndWrite(e)
    fi;
    Destroy(e);
    threads--
  }
}

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
        ((b[e].waits == Ok && b[e].writing) ||
         (b[e].waits == Open && p[d].first == Open && !b[e].refuse_called &&
          (!b[d].end_called || b[d].writing)))));
  RULE(CloseFrees, b[e].close_result == None || b[e].frees == 1)
}

/* What some run must reach (-DREACH=...), or else the model would be empty. */
#define SENT (WRITES * BYTES)
#define ALL_READ_AND_BOTH_CLOSED \
  (b[0].close_result == Ok && b[1].close_result == Ok && p[0].got == SENT && \
   b[1].read_end == EndOfFile && b[1].in_state == Ended)
#define END_SENT_BY_THE_WRITE \
  (b[0].end_by_write && b[0].close_result == Ok && p[0].got == SENT)
#define FREED_BY_THE_LAST_READ (b[1].freed_by_call && b[1].frees == 1)
#define TWO_CLOSES_AGREED_ON_OK (b[0].joined && b[0].close_result == Ok)
#define DEADLINE_TOLD_TO_THE_REMOTE \
  (b[0].close_result == Deadline && b[1].read_end == Reason)
#define CLOSE_WAITS_FOR_EVER (b[0].waits == Open && b[0].closers == 1)
#define ALL_READ_THEN_THE_REASON (p[0].got == SENT && b[1].read_end == Reason)
#define ENDED_THEN_ABORTED \
  (p[0].first == Ended && b[0].abort_called && b[1].read_end == EndOfFile && \
   b[1].in_state == Ended)
#define LOSS_TOLD_TO_CLOSE (b[1].lost && b[0].close_result == FreeError)

/* `timeout` is when nothing else can run. */
active proctype Judge() {
  byte one, other;
  mtype free_result = None;
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
    RULE(LostDataIsNoSuccess, !b[0].lost || b[1].close_result != Ok);
    RULE(LostDataIsNoSuccess, !b[1].lost || b[0].close_result != Ok);
#ifdef REACH
    RULE(NotReached, !(REACH));
#endif
    /* To stop calls: abort, join, destroy. Either end wakes both. */
    if
    :: one = 0
    :: one = 1
    fi;
    other = 1 - one;
    Abort(one)
  }
  timeout;
  RULE(AbortWakesAll, threads == 0);
  atomic {
    Destroy(one);
    Destroy(other);
    RULE(FreedOnce, b[0].frees == 1 && b[1].frees == 1)
  }
}

inline Run(e) {
  if
  :: HAS(e, READER) -> threads++; run Reader(e)
  :: else
  fi;
  if
  :: HAS(e, WRITER) -> threads++; run Writer(e)
  :: else
  fi;
  if
  :: HAS(e, CLOSER) -> threads++; run Closer(e, 0, false)
  :: else
  fi;
  if
  :: HAS(e, HASTY_CLOSER) -> threads++; run Closer(e, 1, true)
  :: else
  fi;
  if
  :: HAS(e, JOINER) -> threads++; run Closer(e, 1, false)
  :: else
  fi;
  if
  :: HAS(e, ABORTER) -> threads++; run Aborter(e)
  :: else
  fi;
  if
  :: HAS(e, ENDER) -> threads++; run Ender(e)
  :: else
  fi;
  if
  :: HAS(e, REFUSER) -> threads++; run Refuser(e)
  :: else
  fi;
  if
  :: HAS(e, DESTROYER) -> threads++; run Destroyer(e)
  :: else
  fi
}

init {
  atomic {
    Run(0);
    Run(1)
  }
}
