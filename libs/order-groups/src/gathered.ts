/**
 * Answers many questions with few statements: while one statement is under way, questions gather, and the next statement takes as
 * many as it may. A question that meets nobody else goes out at once.
 */
export type Gathered<Question, Answer> = {
  /** The statement that answers begins after this call. */
  ask(question: Question): Promise<Answer>;
};

type Asked<Question, Answer> = {
  readonly question: Question;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
};

/**
 * @param questionsMax so many questions go into one statement.
 * @param concurrentMax so many statements are under way at once; with one, questions gather as soon as there are two.
 * @param answer one answer a question, in their order.
 */
export const createGathered = <Question, Answer>(options: {
  readonly questionsMax: number;
  readonly concurrentMax: number;
  readonly answer: (questions: readonly Question[]) => Promise<readonly Answer[]>;
}): Gathered<Question, Answer> => {
  const { questionsMax, concurrentMax, answer } = options;
  const waiting: Asked<Question, Answer>[] = [];
  let underWay = 0;

  const send = async (batch: readonly Asked<Question, Answer>[]): Promise<void> => {
    underWay += 1;
    try {
      const answers = await answer(batch.map(({ question }) => question));
      for (const [place, asked] of batch.entries()) {
        const own = answers[place];
        if (place < answers.length) asked.resolve(own as Answer);
        else asked.reject(new RangeError('a question was left without its answer'));
      }
    } catch (error) {
      for (const asked of batch) asked.reject(error);
    } finally {
      underWay -= 1;
      sendWaiting();
    }
  };

  const sendWaiting = (): void => {
    while (underWay < concurrentMax && waiting.length > 0) void send(waiting.splice(0, questionsMax));
  };

  return {
    ask: (question) =>
      new Promise<Answer>((resolve, reject) => {
        waiting.push({ question, resolve, reject });
        sendWaiting();
      }),
  };
};
