// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';
'require dom';
'require glimpse.page as page';
'require glimpse.words as words';

/*
 * A figure over time as inline SVG: the band from low to high, the median as a line, gaps as gaps; beneath it
 * optional ticks of a second figure. It follows the width of its place and reads out under the pointer and by
 * the arrow keys. Time runs from left to right in every language.
 */

const LEFT = 46, TOP = 16, BOTTOM = 20, TICKS = 22;

function svg(tag, attributes, children) {
	const node = document.createElementNS('http://www.w3.org/2000/svg', tag);

	for (let name in attributes)
		if (attributes[name] != null)
			node.setAttribute(name, attributes[name]);

	node.append(...children || []);
	return node;
}

/* Steps of 1, 2 or 5 that cut 0 to `most` into about four. */
function step(most) {
	const power = Math.pow(10, Math.floor(Math.log10(most / 4)));
	return power * [1, 2, 5, 10].find(n => n * power >= most / 4.001);
}

/* Samples that belong together: a hole of more than the usual distance ends a run. */
function runs(list) {
	const at = list.map((n, i) => n == null ? -1 : i).filter(i => i >= 0);
	const usual = words.middle(at.slice(1).map((i, k) => i - at[k])) || 1;
	const all = [];

	at.forEach((i, k) => {
		if (k && i - at[k - 1] <= 1.5 * usual)
			all[all.length - 1].push(i);
		else
			all.push([i]);
	});
	return all;
}

/* Round points in local time for the axis below, `most` of them at most. */
function moments(from, to, most) {
	const every = [1, 2, 3, 6, 12, 24, 48, 120, 240, 720, 1440, 2160].find(n => n * most * 3600e3 >= to - from);
	const at = new Date(from), list = [];

	for (at.setHours(0, 0, 0, 0); at <= to; at.setHours(at.getHours() + every))
		if (at >= from)
			list.push([+at, at.toLocaleString(words.lang, every < 24 ? { hour: '2-digit', minute: '2-digit' } : { day: 'numeric', month: 'short' })]);
	return list;
}

/*
 * `series` is the agent's answer. Options: `title`; `ticks`, a second series (lost packets) of the same range;
 * `height` in pixels; `peers`, an array that charts with one cursor share.
 */
function chart(series, options) {
	const o = Object.assign({ height: 160, peers: [], title: words.figure(series.figure) }, options);
	const p = series.points, unit = series.unit, span = series.step_s * 1000;
	const from = +new Date(series.from), to = +new Date(series.to);
	const times = p.median.map((n, i) => from + (i + 0.5) * span);
	const lost = o.ticks ? o.ticks.points.high : [];
	const events = (series.events || []).map(e => ({ at: +new Date(e.time), text: words.event(e) })).filter(e => e.at >= from && e.at <= to);
	const known = p.median.filter(n => n != null);

	if (!known.length)
		return E('p', {}, [_('No data in this time.')]);

	const by = words.scale(unit, Math.max(0, ...p.high, ...known, series.contract || 0));
	const most = by.most / by.divisor || 1;
	const every = step(most);
	const top = Math.ceil(most / every - 0.001) * every;
	const height = o.height + (o.ticks ? TICKS : 0), foot = height - BOTTOM, base = foot - (o.ticks ? TICKS : 0);
	const place = E('div', { class: 'gl-plot', style: 'height:%dpx'.format(height) });
	const read = E('div', { class: 'gl-read', 'aria-live': 'polite' }, ['\u00a0']);
	let width = 0, cursor, shown = null;

	const x = time => +(LEFT + (time - from) / (to - from) * (width - LEFT)).toFixed(1);
	const y = n => +(base - n / by.divisor / top * (base - TOP)).toFixed(1);
	const point = list => i => x(times[i]) + ' ' + y(list[i]);
	const value = n => words.value(n, unit);

	function draw() {
		const parts = [];
		const path = (kind, d, children) => parts.push(svg('path', { class: 'gl-' + kind, d }, children));
		const across = (kind, at) => path(kind, 'M' + LEFT + ' ' + at + 'H' + width);
		const upright = (kind, at, foot, head) => path(kind, 'M' + at + ' ' + foot + 'V' + head);
		const text = (at, down, anchor, told) => parts.push(svg('text', { x: at, y: down, 'text-anchor': anchor }, [told]));

		for (let n = 0; n < top + every / 2; n += every) {
			across('grid', y(n * by.divisor));
			text(LEFT - 6, y(n * by.divisor) + 4, 'end', words.digits(n));
		}
		text(LEFT - 6, 9, 'end', by.name);

		moments(from, to, Math.floor((width - LEFT) / 62)).forEach(([time, told]) => {
			const at = x(time);
			upright('grid', at, foot, TOP);
			if (at < width - 24)
				text(at, height - 5, at < LEFT + 14 ? 'start' : 'middle', told);
		});

		events.forEach(e => {
			upright('event', x(e.at), base, TOP);
			path('flag', 'M' + x(e.at) + ' ' + TOP + 'l-4 -7h8z', [svg('title', {}, [e.text])]);
		});

		runs(p.median).forEach(run => {
			if (run.length > 1) {
				path('band', 'M' + run.map(point(p.high)).concat(run.slice().reverse().map(point(p.low))).join('L') + 'Z');
				path('line', 'M' + run.map(point(p.median)).join('L'));
			}
			else {
				path('whisker', 'M' + point(p.low)(run[0]) + 'L' + point(p.high)(run[0]));
				path('dot', 'M' + point(p.median)(run[0]) + 'h0');
			}
		});

		if (series.contract) {
			across('contract', y(series.contract));
			text(width, y(series.contract) - 4, 'end', _('contract'));
		}

		if (o.ticks) {
			across('grid', foot);
			text(LEFT - 6, foot, 'end', _('loss', 'lost packets, short'));
			lost.forEach((n, i) => n > 0 && upright('tick', x(times[i]), foot, foot - 4 - 12 * Math.min(1, n / 1e5)));
		}

		cursor = svg('path', { class: 'gl-cursor' });

		const hadFocus = place.contains(document.activeElement);
		const picture = svg('svg', { class: 'gl-svg', width: width + 8, height, role: 'img', tabindex: 0,
			'aria-label': o.title + '. ' + _('Between %s and %s; the last value is %s.').format(value(Math.min(...known)), value(Math.max(...known)), value(known[known.length - 1])) }, parts.concat(cursor));

		picture.onpointermove = ev => tell(nearest(from + (ev.clientX - picture.getBoundingClientRect().left - LEFT) / (width - LEFT) * (to - from)));
		picture.onpointerleave = picture.onblur = () => tell();
		picture.onkeydown = key;
		dom.content(place, [picture]);

		if (hadFocus)
			picture.focus();
		show(shown);
	}

	function nearest(time) {
		return Math.max(0, Math.min(times.length - 1, Math.round((time - from) / span - 0.5)));
	}

	function key(ev) {
		const now = shown == null ? NaN : nearest(shown);
		const all = times.map((time, i) => i).filter(i => p.median[i] != null || lost[i] > 0);
		const next = { ArrowLeft: all.filter(i => !(i >= now)).pop(), ArrowRight: all.find(i => !(i <= now)) }[ev.key];

		if (next != null || ev.key == 'Escape')
			tell(next);
	}

	/* All charts that share a cursor show the same time. */
	function tell(i) {
		o.peers.forEach(other => other(times[i]));
	}

	function show(time) {
		const within = time >= from && time <= to;

		shown = within ? time : null;
		if (!cursor)
			return;

		cursor.setAttribute('d', within ? 'M' + x(time) + ' ' + TOP + 'V' + foot : '');
		if (!within) {
			dom.content(read, ['\u00a0']);
			return;
		}

		const i = nearest(time);
		const told = p.median[i] == null ? [_('no measurement')] : [value(p.median[i])];

		if (p.n[i] > 1)
			told.push(_('from %s to %s').format(value(p.low[i]), value(p.high[i])), N_(p.n[i], '%d measurement', '%d measurements').format(p.n[i]));
		if (lost[i] > 0)
			told.push(_('%s lost', 'share of packets').format(words.value(lost[i], 'ppm')));
		events.forEach(e => Math.abs(e.at - time) <= span && told.push(e.text));
		dom.content(read, [E('strong', {}, [words.absolute(times[i])]), ' · ' + told.join(' · ')]);
	}

	o.peers.push(show);

	new ResizeObserver(entries => {
		const wide = Math.floor(entries[0].contentRect.width);

		if (wide > 100 && wide != width + 8) {
			width = wide - 8; /* room for the last label and dot */
			draw();
		}
	}).observe(place);

	const numbers = E('details', { class: 'gl-table', toggle: () => {
		if (!numbers.lastChild.rows)
			numbers.append(page.table([_('Time'), _('Middle'), _('Low'), _('High'), _('Measurements')], times.map((time, i) =>
				[[words.absolute(time)], [value(p.median[i])], [value(p.low[i])], [value(p.high[i])], [p.n[i]]]).filter((row, i) => p.median[i] != null)));
	} }, [E('summary', {}, [_('Show as a table')])]);

	return E('figure', { class: 'gl-chart' }, [place, read, numbers]);
}

return baseclass.extend({
	chart, svg,

	/* A bar from nothing to all, such as the month's cap. */
	bar(share, label) {
		const percent = Math.max(0, Math.min(100, Math.round(share * 100)));

		return E('div', { class: 'gl-bar', role: 'progressbar', 'aria-valuenow': percent, 'aria-label': label }, [
			E('div', { style: 'width:%d%%'.format(percent) })
		]);
	}
});
