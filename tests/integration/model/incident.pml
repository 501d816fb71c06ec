/*
 * One incident, from its signals to its end. Operators, workers, the network and the owner act at any moment, and a
 * part may crash, stall or lose an answer at each step, as often as the bounds say.
 * docs/formal-model.md maps the actions to the code, and names what is assumed and what is left out.
 */

#ifndef ATTEMPTS /* others bring bounds of their own */
#define ATTEMPTS 2 /* repairs that the policy allows */
#define REPLANS 2 /* plans that no longer fit, before people are called */
#define WAITS 2 /* refusals of guards, before people are called */
#define CRASHES 1 /* of operators and workers */
#define STALLS 1 /* workers that are too slow for Temporal, or whose answer Temporal loses */
#define LOSSES 1 /* patches and creations that are lost, late, or made without an answer */
#endif
#define ORDERS (ATTEMPTS + REPLANS + WAITS)

#define OPENING 0 /* actions */
#define STARTING 1
#define REPAIR(number) (2 * (number))
#define UNDO(number) (2 * (number) + 1)
#define IS_UNDO(action) ((action) % 2)

#define CORRECTED 1 /* templates: 0 is the broken one, this is the owner's own correction */
#define REPAIRED(number) (1 + (number))
#define IN_FORCE (workload.template > CORRECTED)

typedef Order { byte action; byte template; byte last; byte to }
typedef Patch { byte action; byte template; byte to; byte generation }
typedef Object { byte template; byte action; byte generation }

/* What the API server keeps, and a patch that is still on its way. */
Object workload;
Patch late;
bool corrected; /* the owner has released */

/* What Temporal keeps. */
mtype:TaskState = { IDLE, QUEUED, RUNNING, DONE };
mtype:TaskState state = IDLE;
mtype:Reply = { NONE, APPLIED, HELD, STALE, REFUSED, UNKNOWN };
mtype:Reply answer = NONE;
Order order;
byte holder; /* the worker whose answer Temporal waits for */
bool orphaned; /* it is dead */

/* What the incident says in the end. */
mtype:Phase = { OPEN, HEALED, RECOVERED, ESCALATED, CANCELLED, CLOSED };
mtype:Phase phase = OPEN;
mtype:Admission = { NOTHING, NOT_UNDONE, OUTCOME_UNKNOWN, UNVERIFIED };
mtype:Admission said = NOTHING;
byte reported, undone; /* repairs that it reports as written, and as undone */

/* What really happened. */
byte effects[2 * ORDERS + 2]; /* by action */
byte written, restored;

byte watching = 2; /* operators that have not done their part */
byte busy[3]; /* the action that each worker is at */
byte crashes = CRASHES, stalls = STALLS, losses = LOSSES;

/* Recorded runs are lists of events: the model may only do what comes next in the one that it has chosen. */
mtype:Event = {
  ORDER, ORDER_UNDO, WROTE, WROTE_UNDO, RETURNED_APPLIED, RETURNED_HELD, RETURNED_STALE, RETURNED_REFUSED,
  RETURNED_UNKNOWN, JUDGED_HEALED, JUDGED_NOT_HEALED, JUDGED_INCONCLUSIVE, END_HEALED, END_RECOVERED, END_ESCALATED,
  END_CANCELLED, END_CLOSED, NEVER
};
#ifdef RECORDED
byte run_number;
short position;
bool writes_recorded;
#include "recorded.pml" /* `events` of all runs, and `choose_run` */
inline observe(event) { events[position] == event -> position++ }
#define WRITE_IS_NEXT(action) (!writes_recorded || events[position] == (IS_UNDO(action) -> WROTE_UNDO : WROTE))
inline observe_write() {
  if
  :: writes_recorded -> position++
  :: else
  fi
}
#else
inline choose_run() { skip }
inline observe(event) { skip }
inline observe_write() { skip }
#define WRITE_IS_NEXT(action) true
#endif

inline effect(which) {
  effects[which]++;
  assert(effects[which] == 1) /* at most one effect for each action */
}

/* Undo restores, or the incident says so; and it reports what was written. */
inline check_end() {
  assert(!IN_FORCE || phase == HEALED || said != NOTHING);
  assert(phase != HEALED || IN_FORCE || corrected);
  assert(written == reported || said == OUTCOME_UNKNOWN);
  assert(restored == undone || said == NOT_UNDONE)
}

/* The API server makes a patch whole or not at all: it tests the generation that the author has read. */
inline land(patch, made) {
  if
  :: patch.generation == workload.generation && WRITE_IS_NEXT(patch.action) ->
    made = true;
    observe_write();
    effect(patch.action);
    assert(workload.template == patch.template); /* only what the decision was made on is replaced */
    workload.template = patch.to;
    workload.action = patch.action;
    workload.generation++;
    if
    :: IS_UNDO(patch.action) -> restored++
    :: else -> written++
    fi;
    if
    :: phase != OPEN -> check_end()
    :: else
    fi
  :: patch.generation != workload.generation -> made = false
  fi
}

/* Both see the same fault: two operators, or two signals, or one signal before and after a restart. */
proctype Operator() {
open:
  atomic { /* create the Incident by its derived name, or join it */
    if
    :: effects[OPENING] == 0 -> effect(OPENING)
    :: else
    fi;
    if
    :: true
    :: losses > 0 -> losses--; goto open
    :: crashes > 0 -> crashes--; goto open
    fi
  }
  atomic { /* start the workflow by its id, or find it started */
    if
    :: effects[STARTING] == 0 -> effect(STARTING)
    :: else
    fi;
    if
    :: watching--
    :: crashes > 0 -> crashes--; goto open
    fi
  }
}

/* Temporal gives an order to one worker at a time, and to another one when there is no answer in time. */
inline give_back() {
  holder = 0;
  orphaned = false;
  if
  :: state = QUEUED
  :: answer = UNKNOWN; state = DONE /* an hour is over */
  fi
}

proctype Temporal() {
end:
  do
  :: atomic { state == RUNNING && orphaned -> give_back() }
  :: atomic { state == RUNNING && !orphaned && stalls > 0 -> stalls--; give_back() }
  od
}

/* Assumed: when guards refuse an order, no earlier attempt has made it after it was read, or may still make it. */
#ifdef UNFENCED
#define ALONE true
#else
#define ALONE (effects[own.action] == 0 && busy[3 - me] != own.action && late.action != own.action)
#endif

proctype Worker(byte me) {
  Order own;
  Patch patch;
  bool made;
  mtype:Reply result = NONE;
end:
  atomic {
    state == QUEUED && (me == 1 || busy[1] != 0) -> /* they are alike: the first one takes it if it is idle */
    state = RUNNING; holder = me; busy[me] = order.action;
    own.action = order.action; own.template = order.template; own.last = order.last; own.to = order.to
  }
  atomic { /* read the object and check it */
    if
    :: workload.action == own.action -> result = APPLIED
    :: workload.action != own.action && (workload.action != own.last || workload.template != own.template) ->
       result = STALE
    :: else ->
       patch.action = own.action; patch.template = own.template; patch.to = own.to;
       patch.generation = workload.generation
    fi
  }
  atomic { /* evaluate the guards, acquire a slot, and patch */
    if
    :: result != NONE
    :: result == NONE && crashes > 0 -> crashes--; orphaned = orphaned || holder == me; goto forget
    :: result == NONE && !IS_UNDO(own.action) && ALONE ->
       if
       :: result = HELD
       :: result = STALE
       :: result = REFUSED
       fi
    :: result == NONE -> land(patch, made); result = (made -> APPLIED : UNKNOWN) /* a conflict: read again */
    :: result == NONE && losses > 0 -> losses--; land(patch, made); result = UNKNOWN
    :: result == NONE && losses > 0 -> losses--; result = UNKNOWN
    :: result == NONE && losses > 0 && late.action == 0 ->
       losses--; result = UNKNOWN;
       late.action = patch.action; late.template = patch.template; late.to = patch.to;
       late.generation = patch.generation
    fi
  }
  atomic { /* answer */
    if
    :: crashes > 0 -> crashes--; orphaned = orphaned || holder == me
    :: holder != me /* Temporal has given the order to another one */
    :: holder == me && result == UNKNOWN -> give_back()
    :: holder == me && result != UNKNOWN -> answer = result; state = DONE; holder = 0
    fi;
forget:
    own.action = 0; own.template = 0; own.last = 0; own.to = 0;
    patch.action = 0; patch.template = 0; patch.to = 0; patch.generation = 0;
    made = false; result = NONE; busy[me] = 0;
    goto end
  }
}

/* A patch whose author has given up may still arrive. */
proctype Network() {
  bool made;
end:
  do
  :: atomic {
       late.action > 0 ->
       if
       :: land(late, made)
       :: true
       fi;
       made = false; late.action = 0; late.template = 0; late.to = 0; late.generation = 0
     }
  od
}

/* The owner may release a correction at any moment, over whatever is there. */
proctype Owner() {
  if
  :: d_step { workload.template = CORRECTED; workload.generation++; corrected = true }
  :: true
  fi
}

inline call(action_, template_, last_, to_) {
  order.action = action_; order.template = template_; order.last = last_; order.to = to_;
  state = QUEUED;
  state == DONE ->
  state = IDLE; order.action = 0; order.template = 0; order.last = 0; order.to = 0
}

inline end_as(phase_, admission, event) {
  observe(event);
  phase = phase_;
  said = admission;
  check_end();
  goto closed
}

/* The workflow: its state outlives every crash. What it does between two calls is one step. */
proctype Healing() {
  byte number, replans, waits, template;
  bool stopped; /* a person has cancelled or deleted the incident */
  atomic {
    watching == 0 ->
confirm:
    if
    :: !stopped
    :: !stopped && !IN_FORCE -> end_as(RECOVERED, NOTHING, END_RECOVERED)
    :: stopped = true
    fi;
    if
    :: stopped -> end_as(CANCELLED, NOTHING, END_CANCELLED)
    :: else
    fi;
    template = workload.template; /* diagnose */
    if
    :: reported < ATTEMPTS
    :: end_as(ESCALATED, NOTHING, END_ESCALATED) /* nothing is left to try, or no one approves it */
    :: end_as(CLOSED, NOTHING, END_CLOSED) /* a guard or the mode leaves it alone */
    fi;
    number++;
    assert(number <= ORDERS); /* every incident ends */
    observe(ORDER);
    call(REPAIR(number), template, workload.action, REPAIRED(number));
    if
    :: answer == APPLIED -> observe(RETURNED_APPLIED); reported++
    :: answer == HELD ->
       observe(RETURNED_HELD);
       waits++;
       if
       :: waits == WAITS -> end_as(ESCALATED, NOTHING, END_ESCALATED)
       :: else -> goto confirm
       fi
    :: answer == STALE ->
       observe(RETURNED_STALE);
       replans++;
       if
       :: replans == REPLANS -> end_as(ESCALATED, NOTHING, END_ESCALATED)
       :: else -> goto confirm
       fi
    :: answer == REFUSED -> observe(RETURNED_REFUSED); end_as(ESCALATED, NOTHING, END_ESCALATED)
    :: answer == UNKNOWN -> observe(RETURNED_UNKNOWN); end_as(ESCALATED, OUTCOME_UNKNOWN, END_ESCALATED)
    fi;
    if /* verify */
    :: workload.action == REPAIR(number) && workload.template == REPAIRED(number) ->
       observe(JUDGED_HEALED);
       end_as(HEALED, NOTHING, END_HEALED)
    :: observe(JUDGED_NOT_HEALED)
    :: observe(JUDGED_INCONCLUSIVE); end_as(ESCALATED, UNVERIFIED, END_ESCALATED)
    :: stopped = true
    fi;
    observe(ORDER_UNDO);
    call(UNDO(number), REPAIRED(number), REPAIR(number), template);
    if
    :: answer == APPLIED -> observe(RETURNED_APPLIED); undone++
    :: answer == STALE -> observe(RETURNED_STALE); end_as(ESCALATED, NOT_UNDONE, END_ESCALATED)
    :: answer == UNKNOWN -> observe(RETURNED_UNKNOWN); end_as(ESCALATED, NOT_UNDONE, END_ESCALATED)
    fi;
    goto confirm
  }
closed:
#ifdef RECORDED
  events[position] == NEVER;
  c_code { printf("accepted %d\n", now.run_number); }
#endif
  skip
}

init {
  atomic {
    choose_run();
    run Operator(); run Operator(); run Temporal(); run Worker(1); run Worker(2);
    run Network(); run Owner(); run Healing()
  }
}
