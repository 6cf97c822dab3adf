/**
 * A report's plots as one SVG text, through Apache ECharts' server-side rendering: it needs no DOM
 * and brings two packages. Only the parts used are loaded.
 */
import { BarChart, LineChart, ScatterChart } from "echarts/charts";
import { GridComponent, LegendComponent, TitleComponent } from "echarts/components";
import { init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";
import type { Plot, PlotAxis, PlotSeries } from "./experiment.ts";

const WIDTH = 900;
/** Of one plot. */
const HEIGHT = 420;
/** Above and below the axes of one plot: title and legend, ticks and label. */
const TOP = 70;
const BOTTOM = 60;

const AXIS_TYPES = { linear: "value", log: "log", category: "category" } as const;
const SERIES_TYPES = { line: "line", bars: "bar", marks: "scatter" } as const;

function axis(spec: PlotAxis, index: number, gap: number): Record<string, unknown> {
  const type = AXIS_TYPES[spec.scale];
  const place = { name: spec.label, nameLocation: "middle", nameGap: gap };
  // Long names of categories are broken, not left out.
  const labels =
    spec.scale === "category" ? { axisLabel: { interval: 0, width: 140, overflow: "break" } } : {};
  return { type, gridIndex: index, ...place, axisLine: { show: true }, ...labels };
}

function series(spec: PlotSeries, plot: Plot, index: number): Record<string, unknown> {
  const shown = (value: number | string, { scale }: PlotAxis): boolean =>
    scale !== "log" || (typeof value === "number" && value > 0);
  const data = spec.points.filter(([x, y]) => shown(x, plot.x) && shown(y, plot.y));
  return {
    name: spec.name,
    type: SERIES_TYPES[spec.form],
    data: data.map(([x, y]) => [x, y]),
    xAxisIndex: index,
    yAxisIndex: index,
    symbolSize: spec.form === "marks" ? 12 : 6,
    ...(spec.form === "marks" ? { symbol: "diamond" } : {}),
  };
}

/** Categories in the order in which the series name them. */
function categories(plot: Plot): string[] {
  return [...new Set(plot.series.flatMap(({ points }) => points.map(([x]) => String(x))))];
}

function optionOf(plots: readonly Plot[]): Record<string, unknown> {
  const top = (index: number): number => index * HEIGHT;
  return {
    animation: false,
    backgroundColor: "#ffffff",
    title: plots.map(({ title }, i) => ({ text: title, left: "center", top: top(i) + 8 })),
    legend: plots.map((plot, i) => ({
      data: plot.series.map(({ name }) => name),
      top: top(i) + 36,
    })),
    grid: plots.map((_, i) => ({
      top: top(i) + TOP,
      height: HEIGHT - TOP - BOTTOM,
      left: 80,
      right: 40,
    })),
    xAxis: plots.map((plot, i) => ({
      ...axis(plot.x, i, 30),
      ...(plot.x.scale === "category" ? { data: categories(plot) } : {}),
    })),
    yAxis: plots.map((plot, i) => axis(plot.y, i, 55)),
    series: plots.flatMap((plot, i) => plot.series.map((each) => series(each, plot, i))),
  };
}

/** The plots, one below the other. Throws RangeError when there is none. */
export function renderSvg(plots: readonly Plot[]): string {
  if (plots.length === 0) throw new RangeError("renderSvg: expected at least one plot, got 0");
  use([BarChart, LineChart, ScatterChart, GridComponent, LegendComponent, TitleComponent]);
  use([SVGRenderer]);
  const size = { width: WIDTH, height: HEIGHT * plots.length };
  const chart = init(null, null, { renderer: "svg", ssr: true, ...size });
  chart.setOption(optionOf(plots));
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}
