/** From each state, which event leads where. A pair that is not here is never a move. */
export type Moves<State extends string, Event extends string> = {
  readonly [From in State]: { readonly [On in Event]?: State };
};

/** The state that an event leads to; undefined where the event does not move that state. */
export const nextState = <State extends string, Event extends string>(
  moves: Moves<State, Event>,
  from: State,
  on: Event,
): State | undefined => moves[from][on];

/** Every allowed pair of states, for the database's own check and for the diagrams. */
export const allowedPairs = <State extends string>(
  moves: Moves<State, string>,
): readonly { readonly from: State; readonly event: string; readonly to: State }[] =>
  (Object.keys(moves) as State[]).flatMap((from) =>
    Object.entries<State | undefined>(moves[from]).flatMap(([event, to]) =>
      to === undefined ? [] : [{ from, event, to }],
    ),
  );

/** A state that no event leaves. */
export const isFinal = <State extends string>(moves: Moves<State, string>, state: State): boolean =>
  Object.keys(moves[state]).length === 0;
