// What was seen of a few figures since the page was opened. Pure.

export interface Sample { at: number; values: number[] }

/** Add a sample; the oldest go once there are `most`. A second one of the same moment replaces the first. */
export function added(samples: readonly Sample[], sample: Sample, most = 360): Sample[] {
  const kept = samples.at(-1)?.at === sample.at ? samples.slice(0, -1) : samples;
  return [...kept, sample].slice(-most);
}

/** As uPlot has it: one array of moments (s), and one per figure. */
export function columns(samples: readonly Sample[], figures: number): number[][] {
  return [samples.map((one) => one.at), ...Array.from({ length: figures }, (_, index) => samples.map((one) => one.values[index] ?? 0))];
}
