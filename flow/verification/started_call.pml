/* Copyright 2026 The flow authors
 * SPDX-License-Identifier: Apache-2.0
 *
 * A model, in Promela, of a call that goes on without a thread: StartedCall in
 * flow/internal/started_call.cc, with its names. Two threads run the engine.
 * What is one atomic operation there, or runs under one lock of the engine or of
 * the transport, is one step here. tools/check_model.sh checks it with SPIN;
 * docs/formal_model.md explains.
 *
 * Left out: weak memory (ThreadSanitizer covers that), what the transport does,
 * and more than one call: a read, a write and a close share nothing here.
 *
 * LEFT says what can happen: WAKE (the transport has something, and says Now()),
 * READY (so has the descriptor that is watched), CLOCK (the deadline passes),
 * NUDGE (somebody says Now() for nothing).
 */

#define WAKE 1
#define READY 2
#define CLOCK 4
#define NUDGE 8

#define CAN(what) ((LEFT) & (what))

hidden byte ToldOnce = 0;
hidden byte NothingAfterTheEnd = 0;
hidden byte OneThreadAtATime = 0;
hidden byte NoWakeIsLost = 0;
hidden byte ReadyBeforeLate = 0;
hidden byte NotReached = 0;

#define RULE(name, condition) assert(name || (condition))

/* word_ */
bool pending, running, marked, has_timer, has_watch;
/* For the thread that runs it. */
bool is_over, is_late;
/* It was over, and whoever owns the flow may have destroyed it. */
bool destroyed;
byte told;
byte runners; /* threads that are in Run() */

/* The engine: functions of Now(), a timer, a watch. */
byte posted;
mtype = {Off, Set, Due}
mtype timer = Off;
mtype watch = Off;

/* The transport: whether a try would succeed, and whether it holds the Retry. */
bool ready;
bool registered;
bool locked;
bool late; /* the deadline has passed */

#define TOUCH RULE(NothingAfterTheEnd, !destroyed)
#define LOCK atomic { !locked -> locked = true }
#define UNLOCK locked = false

/* Sets `claimed` if this thread has to see to it that the call runs. */
inline Claim() {
#ifdef PLANT_LOST_MARK
  if
  :: running -> claimed = false
  :: else -> running = true; claimed = true
  fi
#else
#ifdef PLANT_RUN_TWICE
  running = true;
  claimed = true
#else
  if
  :: running -> marked = true; claimed = false
  :: else -> running = true; claimed = true
  fi
#endif
#endif
}

/* StartedCall::Now() */
inline Now() {
  atomic {
    TOUCH;
    claimed = false;
    if
    :: pending -> Claim()
#ifdef PLANT_WAKES_WHAT_IS_OVER
    :: !pending -> claimed = true
#else
    :: !pending
#endif
    fi
  };
  if
  :: claimed -> posted++
  :: else
  fi
}

/* StartedCall::Report() */
inline ReportTimer() {
  atomic { TOUCH; has_timer = false; Claim() }
}
inline ReportWatch() {
  atomic { TOUCH; has_watch = false; Claim() }
}

inline Try() {
  LOCK;
  TOUCH;
  if
#ifdef PLANT_NO_LAST_TRY
  :: ready && !is_late -> is_over = true; registered = false
  :: is_late ->
#else
  :: ready -> is_over = true; registered = false
  :: !ready && is_late ->
#endif
     is_over = true;
     registered = false;
     RULE(ReadyBeforeLate, !ready)
  :: else -> registered = CAN(WAKE) != 0
  fi;
  UNLOCK
}

inline Arm() {
  if
  :: CAN(CLOCK) && !has_timer ->
     has_timer = true;
     atomic {
       if
       :: late -> timer = Due
       :: else -> timer = Set
       fi
     }
  :: else
  fi;
  if
  :: CAN(READY) && !has_watch ->
     has_watch = true;
     atomic {
       if
       :: ready -> watch = Due
       :: else -> watch = Set
       fi
     }
  :: else
  fi
}

inline Disarm() {
#ifdef PLANT_TIMER_LEFT_BEHIND
  has_timer = false;
#else
  if
  :: has_timer ->
     atomic {
       if
       :: timer == Set -> timer = Off; claimed = true
       :: else -> claimed = false
       fi
     };
     if
     :: claimed -> has_timer = false
     :: else
     fi
  :: else
  fi;
#endif
  if
  :: has_watch ->
     atomic {
       if
#ifdef PLANT_CANCEL_IS_NOT_REPORTED
       :: watch == Set -> watch = Off
#else
       :: watch == Set -> watch = Due
#endif
       :: else
       fi
     }
  :: else
  fi
}

/* StartedCall::Run(); sets `ends`. */
inline Run() {
  runners++;
  RULE(OneThreadAtATime, runners == 1);
  do
  :: atomic { TOUCH; marked = false };
     if
     :: !is_over ->
        Try();
#ifdef PLANT_MARK_CLEARED_AFTER_THE_TRY
        marked = false;
#endif
        if
        :: !is_over && !is_late && late -> is_late = true; goto again
        :: !is_over && !is_late && !late -> Arm()
        :: else
        fi
     :: else
     fi;
     if
     :: is_over -> Disarm()
     :: else
     fi;
     atomic {
       TOUCH;
       if
       :: marked -> skip
#ifdef PLANT_TIMER_NOT_WAITED_FOR
       :: !marked && is_over && !has_watch ->
#else
#ifdef PLANT_WATCH_NOT_WAITED_FOR
       :: !marked && is_over && !has_timer ->
#else
       :: !marked && is_over && !has_timer && !has_watch ->
#endif
#endif
          pending = false; running = false; ends = true; runners--; break
       :: else -> running = false; ends = false; runners--; break
       fi
     };
again: skip
  od
}

/* End() and Done(), in which the owner may destroy everything. */
inline Tell() {
  atomic {
    told++;
    RULE(ToldOnce, told == 1);
    if
    :: destroyed = true
    :: skip
    fi
  }
}

proctype Starter() {
  bool claimed, ends;
  atomic { pending = true; running = true };
  Run();
  if
  :: ends -> Tell()
  :: else
  fi
}

proctype EngineThread() {
  bool claimed, ends;
end:
  do
  :: atomic { posted > 0 -> posted-- }; claimed = true; goto act
  :: atomic { timer == Due -> timer = Off }; ReportTimer(); goto act
  :: atomic { watch == Due -> watch = Off }; ReportWatch(); goto act
  od;
act:
  if
  :: claimed ->
     Run();
     if
     :: ends -> Tell()
     :: else
     fi
  :: else
  fi;
  goto end
}

/* The other end of the pipe, or of the connection. */
proctype World() {
  bool claimed;
  LOCK;
  ready = true;
  if
  :: registered -> registered = false; Now()
  :: else
  fi;
  UNLOCK;
  atomic {
    if
    :: watch == Set -> watch = Due
    :: else
    fi
  }
}

proctype Clock() {
  late = true;
  atomic {
    if
    :: timer == Set -> timer = Due
    :: else
    fi
  }
}

/* A user of a flow that exists: SetReadDeadline() and its kin. */
proctype Nudger() {
  bool claimed;
  if
  :: atomic { !destroyed -> Now() }
  :: destroyed
  fi
}

init {
  atomic {
    run Starter();
    run EngineThread();
    run EngineThread();
    if
    :: CAN(WAKE) || CAN(READY) -> run World()
    :: else
    fi;
    if
    :: CAN(CLOCK) -> run Clock()
    :: else
    fi;
    if
    :: CAN(NUDGE) -> run Nudger()
    :: else
    fi
  };
  /* Nothing can go on. */
  timeout;
#ifdef REACH
  RULE(NotReached, !(REACH));
#endif
  RULE(NoWakeIsLost, told == 1);
  RULE(NothingAfterTheEnd,
       posted == 0 && timer == Off && watch == Off && !registered)
}
