//! What leads where: states and operations by number, so that the model is asked each thing once.

use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::{Effect, Model};

/// A state, by number.
pub(crate) type StateId = u32;

/// What an operation does and returns, by number.
pub(crate) type Action = u32;

/// The states and actions of one object that came up so far, and what leads where.
pub(super) struct Space<'a, M: Model> {
    model: &'a M,
    states: Vec<Rc<M::State>>,
    state_ids: FxHashMap<Rc<M::State>, StateId>,
    actions: Vec<(&'a M::Op, Option<&'a M::Output>)>,
    effects: Vec<Effect>,
    action_ids: FxHashMap<(&'a M::Op, Option<&'a M::Output>), Action>,
    steps: FxHashMap<(StateId, Action), Option<StateId>>,
}

impl<'a, M: Model> Space<'a, M> {
    pub(super) fn new(model: &'a M, initial: M::State) -> Self {
        let mut space = Self {
            model,
            states: Vec::new(),
            state_ids: FxHashMap::default(),
            actions: Vec::new(),
            effects: Vec::new(),
            action_ids: FxHashMap::default(),
            steps: FxHashMap::default(),
        };
        space.state_id(initial);
        space
    }

    pub(super) fn action(&mut self, op: &'a M::Op, output: Option<&'a M::Output>) -> Action {
        let Self {
            model,
            actions,
            effects,
            ..
        } = self;
        *self.action_ids.entry((op, output)).or_insert_with(|| {
            actions.push((op, output));
            effects.push(model.effect(op, output));
            (actions.len() - 1) as Action
        })
    }

    pub(super) fn effect(&self, action: Action) -> Effect {
        self.effects[action as usize]
    }

    pub(super) fn state(&self, id: StateId) -> &M::State {
        &self.states[id as usize]
    }

    fn state_id(&mut self, state: M::State) -> StateId {
        let state = Rc::new(state);
        let states = &mut self.states;
        *self.state_ids.entry(Rc::clone(&state)).or_insert_with(|| {
            states.push(state);
            (states.len() - 1) as StateId
        })
    }

    /// The state after the action, if it can take effect.
    pub(super) fn step(&mut self, state: StateId, action: Action) -> Option<StateId> {
        if let Some(known) = self.steps.get(&(state, action)) {
            return *known;
        }
        let (op, output) = self.actions[action as usize];
        let next = self.model.step(&self.states[state as usize], op, output);
        let next = match self.effects[action as usize] {
            Effect::Reads => next.map(|_| state),
            Effect::Writes | Effect::Any => next.map(|next| self.state_id(next)),
        };
        self.steps.insert((state, action), next);
        next
    }
}
