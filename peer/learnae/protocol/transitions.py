"""The transition tables of both state machines: (state, cause) -> state.  ``tools/state_diagrams.py`` draws them."""

from learnae.protocol.decisions import IdentityState, WorkState

WORK: dict[tuple[WorkState, str], WorkState] = {
    (WorkState.EMPTY, "initial weights loaded"): WorkState.IDLE,
    (WorkState.EMPTY, "remote model adopted"): WorkState.IDLE,
    (WorkState.EMPTY, "nothing to compute"): WorkState.DONE,
    (WorkState.IDLE, "slice begun"): WorkState.TRAINING,
    (WorkState.TRAINING, "slice ended"): WorkState.IDLE,
    (WorkState.IDLE, "attempt begun"): WorkState.MERGING,
    (WorkState.MERGING, "attempt ended"): WorkState.IDLE,
    (WorkState.IDLE, "patience spent"): WorkState.DONE,
    (WorkState.IDLE, "nothing untried"): WorkState.DONE,
    (WorkState.IDLE, "income below cost"): WorkState.DONE,
    (WorkState.DONE, "new model fetched"): WorkState.IDLE,
    (WorkState.DONE, "new rows fetched"): WorkState.IDLE,
    (WorkState.DONE, "price covers cost"): WorkState.IDLE,
}

IDENTITY: dict[tuple[IdentityState, str], IdentityState] = {
    (IdentityState.NONE, "deployment wanted"): IdentityState.DEPLOYING,
    (IdentityState.DEPLOYING, "claim signed"): IdentityState.REGISTERED,
    (IdentityState.DEPLOYING, "deployment failed"): IdentityState.NONE,
    (IdentityState.REGISTERED, "deployment lost"): IdentityState.DEPLOYING,
    (IdentityState.DEPLOYING, "chain replaced"): IdentityState.NONE,
    (IdentityState.REGISTERED, "chain replaced"): IdentityState.NONE,
}
