export interface Point {
  readonly size: number;
  /** Milliseconds. */
  readonly time: number;
}

/** The exponent of the straight line through the points, both axes being logarithmic: 1 is linear. */
export function exponent(points: readonly Point[]): number {
  const xs = points.map(({ size }) => Math.log(size));
  const ys = points.map(({ time }) => Math.log(time));
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [x, y] = [mean(xs), mean(ys)];
  const covariance = xs.reduce((sum, value, index) => sum + (value - x) * ((ys[index] ?? y) - y), 0);
  return covariance / xs.reduce((sum, value) => sum + (value - x) ** 2, 0);
}

const [width, height, margin] = [520, 320, 56];

/** The points on logarithmic axes, with a dashed line that shows linear growth from the first one. */
export function curve(title: string, sizeName: string, points: readonly Point[]): string {
  const [first, last] = [points[0], points.at(-1)];
  if (!first || !last) throw new RangeError('a curve needs points');
  const times = points.map(({ time }) => time);
  const high = Math.max(...times) * 1.5;
  const low = Math.min(...times) / 1.5;
  const scale = (value: number, from: number, to: number) => Math.log(value / from) / Math.log(to / from);
  const x = (size: number) => margin + scale(size, first.size, last.size) * (width - 2 * margin);
  const y = (time: number) => height - margin - scale(time, low, high) * (height - 2 * margin);
  const place = ({ size, time }: Point) => `${x(size).toFixed(1)},${y(time).toFixed(1)}`;
  const linearEnd = Math.min(last.size, (first.size * high) / first.time);
  const linear = [first, { size: linearEnd, time: (first.time * linearEnd) / first.size }]
    .map(place)
    .join(' ');
  const labels = points.map(
    ({ size, time }) =>
      `<circle cx="${x(size).toFixed(1)}" cy="${y(time).toFixed(1)}" r="3.5"/>` +
      `<text x="${x(size).toFixed(1)}" y="${(y(time) - 9).toFixed(1)}">${time.toPrecision(2)} ms</text>` +
      `<text x="${x(size).toFixed(1)}" y="${height - margin + 18}">${size.toLocaleString('en-US')}</text>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" font-family="sans-serif" font-size="11" text-anchor="middle">
<title>${title}: milliseconds by number of ${sizeName}</title>
<rect width="${width}" height="${height}" fill="#fff"/>
<text x="${width / 2}" y="22" font-size="14">${title}: exponent ${exponent(points).toFixed(2)}</text>
<polyline points="${linear}" fill="none" stroke="#999" stroke-dasharray="4 4"/>
<polyline points="${points.map(place).join(' ')}" fill="none" stroke="#0a5c8a" stroke-width="2"/>
<g fill="#0a5c8a">${labels.join('')}</g>
<text x="${width / 2}" y="${height - 12}">${sizeName} (dashed: linear)</text>
</svg>
`;
}
