/* An incoming close that races with everything else that can end a call: the client's own close, the refusal of the offer, a
   make-call that fails, and a second indication. One virtual connection, one call; whatever happens under the connection's lock
   in Sources/CallManagement is one atomic step here, and every callback is made outside of it.

   Checked: nobody waits for ever; the close is indicated once at most, never to a call that is over, and "connected" never begins
   after it; the connection is deleted once, when its call is over and it is not active.

   BROKEN_… leaves out one rule; then the check must fail. */

mtype = { IDLE, MAKING, UP_OUT, OFFERED, ACCEPTED, UP_IN, CLOSE_INDICATED, CLOSING };

bool byClient;              /* who created the connection, and with it who makes the call */
mtype call = IDLE, from = IDLE;
bool wasIndicated;          /* a close that fails goes back to CLOSE_INDICATED */
bool isActive;
bool offerRunning;          /* the client is looking at the offer */
bool offerClosed;           /* it closed the call instead of answering */
byte running;               /* indications in progress, on the call manager's thread */
bool deferred;              /* a close that waits for them */
bool answerOwed, closeOwed, completionOwed, makeOwed;
bool begun, over;           /* the call has begun; it has ended */
byte closesIndicated, deletions;
mtype deletion = IDLE;      /* IDLE, CLOSING: in progress, CLOSE_INDICATED: done */

#define IS_OPEN_OFFER (call == OFFERED || (call == CLOSE_INDICATED && from == OFFERED))
#define IS_UP (call == UP_OUT || call == ACCEPTED || call == UP_IN)

inline end_call() { call = IDLE; over = true; deferred = false }

/* The client's callback for an incoming close: it closes from inside, or later. */
inline indicate_close() {
  closesIndicated++;
  assert(closesIndicated == 1);
  if
  :: close_call()
  :: closeOwed = true
  fi
}

/* NdisClCloseCall, and the call manager's handler: done at once, pending, or failed the first time. */
inline close_call() {
  atomic {
    took = IS_UP || call == CLOSE_INDICATED; /* else NOT_ACCEPTED, CLOSING or FAILURE */
    if
    :: took ->
       wasIndicated = call == CLOSE_INDICATED;
       from = (wasIndicated -> from : call);
       call = CLOSING;
       deferred = false;
       answerOwed = false;
       offerClosed = offerRunning
    :: !took
    fi
  };
  if
  :: took ->
     if
     :: settle_close(true)
     :: settle_close(false); closeOwed = true /* INVALID_DATA: closed again without data */
     :: completionOwed = true
     fi
  :: !took
  fi
}

inline settle_close(success) {
  atomic {
    assert(call == CLOSING);
    isActive = isActive && !success;
    if
    :: success -> end_call()
    :: !success && wasIndicated -> call = CLOSE_INDICATED
    :: !success && !wasIndicated -> call = from
    fi
  }
}

/* NdisMCmDispatchIncomingCloseCall from a thread that runs no indication. */
inline dispatch_close() {
  atomic {
    took = deletion == IDLE && (IS_UP || call == OFFERED);
    if
    :: took ->
       from = call;
       call = CLOSE_INDICATED;
#ifndef BROKEN_ORDER
       deferred = offerRunning || running > 0;
       took = !deferred
#endif
    :: !took
    fi
  };
  if :: took -> indicate_close() :: !took fi
}

/* Leaving an indication: the last one out takes a deferred close along. */
inline leave_indication() {
  atomic {
    running--;
    took = running == 0 && deferred;
    deferred = deferred && !took
  };
  if :: took -> indicate_close() :: !took fi
}

/* NdisMCmDispatchCallConnected. */
inline dispatch_connected() {
  atomic {
    took = call == ACCEPTED;
    if :: took -> call = UP_IN; running++ :: !took fi
  };
  if
  :: took ->
     assert(closesIndicated == 0);
     leave_indication()
  :: !took
  fi
}

/* NdisClIncomingCallComplete, or the answer that the client's callback returns. */
inline accept() {
  if
  :: call == OFFERED -> call = ACCEPTED
  :: call == CLOSE_INDICATED && from == OFFERED -> from = ACCEPTED
  :: !IS_OPEN_OFFER -> skip
  fi
}
inline refuse() {
  if
  :: IS_OPEN_OFFER -> end_call()
  :: !IS_OPEN_OFFER -> skip
  fi
}

/* Offers a call, or brings an outgoing one up. */
active proctype CallManager() {
  bool took;
  if
  :: byClient = true;
     atomic { call = MAKING; begun = true };
     atomic { /* the result of the make-call */
       if
       :: call = UP_OUT; isActive = true
       :: end_call()
       fi
     }
  :: byClient = false;
     isActive = true;
     atomic { call = OFFERED; begun = true; offerRunning = true; running++ };
     /* ProtocolClIncomingCall: accepts, refuses, or answers later. */
     if
     :: atomic { offerRunning = false; if :: offerClosed :: !offerClosed -> accept() fi }; leave_indication(); dispatch_connected()
     :: atomic { offerRunning = false; if :: offerClosed :: !offerClosed -> refuse() fi }; leave_indication()
     :: atomic { offerRunning = false; answerOwed = !offerClosed && IS_OPEN_OFFER }; leave_indication()
     fi
  fi
}

/* The link goes down, and the other end closes, at any time. */
active [2] proctype Line() {
  bool took;
  begun;
  dispatch_close()
}

/* The client: answers what it owes, closes when it was told to, and at last when it feels like it. */
active proctype Client() {
  bool took;
  do
  :: atomic { answerOwed -> answerOwed = false };
     if
     :: atomic { accept() }; dispatch_connected() /* from the call manager's callback */
     :: atomic { refuse() }
     :: atomic { accept() }; dispatch_close()     /* what it asks for can't be had */
     fi;
     closeOwed = closeOwed || (closesIndicated > 0 && !over)
  :: atomic { closeOwed -> closeOwed = false };
     close_call()
  :: atomic { !over && IS_UP -> skip };
     close_call()
  :: over && !closeOwed -> break
  od
}

/* Completes a close that was left pending. */
active proctype Completion() {
  do
  :: atomic { completionOwed -> completionOwed = false };
     if
     :: settle_close(true)
     :: settle_close(false); closeOwed = true
     fi
  :: over && !completionOwed -> break
  od
}

/* The creator deletes when the call is over, on two threads at once: one of them succeeds. */
active [2] proctype Creator() {
  over;
  atomic { isActive = false };
  atomic {
#ifndef BROKEN_DELETE
    if
    :: deletion == IDLE -> deletion = CLOSING
    :: else -> goto refused
    fi;
#endif
    assert(call == IDLE && !isActive)
  };
  atomic { deletions++; deletion = CLOSE_INDICATED; assert(deletions == 1) };
refused:
  skip
}
