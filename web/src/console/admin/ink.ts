// Colours for drawing on a canvas, as the page has them now.

import type uPlot from "uplot";

export type Ink = (name: string) => string;

export function axis(ink: Ink, change: Partial<uPlot.Axis> = {}): uPlot.Axis {
  const line = ink("line");
  return { stroke: ink("ink-soft"), font: "11px system-ui, sans-serif", grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1, size: 4 }, ...change };
}

/** Vertical lines from low to high with a dot between: an estimate and what it may as well be. */
export function intervals(ink: Ink): uPlot.Plugin {
  return {
    hooks: {
      draw: (plot: uPlot) => {
        const [xs, values, lows, highs] = plot.data as [number[], (number | null)[], (number | null)[], (number | null)[]];
        const { ctx } = plot;
        ctx.save();
        ctx.strokeStyle = ink("accent");
        ctx.fillStyle = ink("accent");
        ctx.lineWidth = 2 * devicePixelRatio;
        xs.forEach((x, index) => {
          const [value, low, high] = [values[index], lows[index], highs[index]];
          if (value === null || value === undefined || low === null || low === undefined || high === null || high === undefined) return;
          const at = plot.valToPos(x, "x", true);
          ctx.beginPath();
          ctx.moveTo(at, plot.valToPos(low, "y", true));
          ctx.lineTo(at, plot.valToPos(high, "y", true));
          ctx.stroke();
          ctx.beginPath();
          ctx.arc(at, plot.valToPos(value, "y", true), 4.5 * devicePixelRatio, 0, 2 * Math.PI);
          ctx.fill();
        });
        ctx.restore();
      },
    },
  };
}
