/** What one run of a contender gave, by the name of the figure. */
export type Figures<Name extends string> = Record<Name, number>;

export interface Contender<Name extends string> {
  name: string;
  /** @param round  from 0; -1 for the warm-up, whose figures are thrown away */
  run(round: number): Promise<Figures<Name>>;
}

/** A figure over all rounds. */
export interface Spread {
  median: number;
  least: number;
  most: number;
}

export interface Rounds<Name extends string> {
  /** In the order of the contenders. */
  contenders: { name: string; figures: Record<Name, Spread> }[];
  /**
   * How often one's figure is another's, taken round by round: what the machine did meanwhile befell both.
   * @throws  RangeError for a name that is none of the contenders'
   */
  ratio(figure: Name, one: string, other: string): Spread;
}

/**
 * Runs contenders in turn, round after round, so that none has the machine's better hour; every other round in the
 * reverse order, so that none always follows the same one.
 */
export async function alternate<Name extends string>(
  contenders: readonly Contender<Name>[],
  options: { rounds: number; warmUp?: boolean; progress: (line: string) => void; signal: AbortSignal },
): Promise<Rounds<Name>> {
  const { rounds, warmUp = true, progress, signal } = options;
  const runs = new Map<string, Figures<Name>[]>(contenders.map(({ name }) => [name, []]));
  for (let round = warmUp ? -1 : 0; round < rounds; round++) {
    for (const contender of round % 2 === 0 ? contenders : [...contenders].reverse()) {
      signal.throwIfAborted();
      progress(`${round < 0 ? 'warm-up' : `round ${round + 1} of ${rounds}`}: ${contender.name}`);
      const figures = await contender.run(round);
      if (round >= 0) runs.get(contender.name)?.push(figures);
    }
  }
  const runsOf = (name: string) => {
    const found = runs.get(name);
    if (!found) throw new RangeError(`There is no contender called ${name}.`);
    return found;
  };
  return {
    contenders: contenders.map(({ name }) => {
      const own = runsOf(name);
      const names = Object.keys(own[0] ?? {}) as Name[];
      const spreads = names.map((figure) => [figure, spreadOf(own.map((figures) => figures[figure]))]);
      return { name, figures: Object.fromEntries(spreads) as Record<Name, Spread> };
    }),
    ratio(figure, one, other) {
      const others = runsOf(other);
      return spreadOf(
        runsOf(one).map((figures, round) => figures[figure] / (others[round]?.[figure] ?? Number.NaN)),
      );
    },
  };
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const at = (index: number) => sorted[index] ?? Number.NaN;
  return {
    median: sorted.length % 2 === 1 ? at(middle) : (at(middle - 1) + at(middle)) / 2,
    least: at(0),
    most: at(sorted.length - 1),
  };
}

/** `1.03 (1.01–1.07)` */
export function spreadText({ median, least, most }: Spread, digits = 0): string {
  const text = (value: number) =>
    value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return `${text(median)} (${text(least)}–${text(most)})`;
}
