// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';
'require glimpse.words as words';
'require glimpse.graph as graph';
'require glimpse.page as page';

/* The way of packets: a ladder of hops, and a graph where ways part. */

const ACROSS = 58, DOWN = 54, RADIUS = 15;
/* Microseconds from which one stretch of the way is worth a word. */
const STEEP = 1e4;

const us = n => words.value(n, 'us');

/* A bar for a share of 1, with a pale one behind it. */
const bar = (share, pale) => E('span', { class: 'gl-track', 'aria-hidden': 'true' }, [
	E('i', { style: 'width:%f%%'.format(100 * pale) }, []), E('i', { style: 'width:%f%%'.format(100 * share) }, [])
]);

/*
 * The hop before which most of the delay is added for good: its place and how much. A hop counts with the least delay of all
 * from it on, since a slow answer on the way says nothing: routers answer when they have time.
 */
function steepest(hops) {
	let least = 0, next = -1, found = { added: STEEP };
	const weigh = us => {
		if (least - us > found.added)
			found = { place: next, added: least - us };
		least = Math.min(least || us, us);
	};

	for (let i = hops.length; i--;)
		if (hops[i].rtt_min != null) {
			weigh(hops[i].rtt_min);
			next = i;
		}
	weigh(0);
	return found;
}

function rung(hop, most, added) {
	const asked = (hop.pings || []).length;
	const notes = [
		hop.rtt_count < asked ? _('%d of %d answered').format(hop.rtt_count, asked) : '',
		(hop.addresses || []).slice(1).join(', '),
		hop.mpls ? 'MPLS' : '',
		added ? _('%s are added here').format(us(added)) : ''
	].filter(Boolean).join(' · ');

	return E('li', { class: 'gl-row' }, [E('b', { class: 'gl-rung' }, [hop.ttl]), ...hop.rtt_count ? [
		page.div('', [hop.hop, E('small', {}, [notes])]), bar(hop.rtt_avg / most, hop.rtt_max / most), page.div('gl-value', [us(hop.rtt_avg)])
	] : [_('no answer')]]);
}

/* The ladder of a traceroute's `results`. */
function ladder(r) {
	const hops = r.results || [];
	const most = Math.max(1, ...hops.map(hop => hop.rtt_max || 0));
	const steep = steepest(hops);

	return page.div('', [
		E('ol', { class: 'gl-rows gl-ladder' }, hops.map((hop, i) => rung(hop, most, steep.place == i && steep.added))),
		page.div('gl-hint', [_('Pale: the slowest answer. Silence on the way is no fault.')])
	]);
}

/* All ways of a traceroute with `multipath`: a row of nodes for each hop; beside it their addresses. */
function ways(r) {
	const rows = {}, spots = {}, edges = r.edges || [];

	(r.nodes || []).forEach(node => (rows[node.ttl] = rows[node.ttl] || []).push(node));

	const wide = Math.max(1, ...Object.keys(rows).map(ttl => rows[ttl].length)) * ACROSS;
	const high = (Object.keys(rows).length + 1) * DOWN;
	const top = { x: wide / 2, y: RADIUS + 2, name: '⌂', title: _('this router') };

	Object.keys(rows).forEach((ttl, y) => rows[ttl].forEach((node, i) => spots[node.id] = {
		x: wide / 2 + (i - (rows[ttl].length - 1) / 2) * ACROSS, y: top.y + (y + 1) * DOWN,
		name: ttl + (rows[ttl].length < 2 ? '' : String.fromCharCode(97 + i)),
		title: (node.address || _('no answer')) + (node.per_packet ? ', ' + _('spreads single packets') : '')
	}));

	const all = Object.keys(spots).map(id => spots[id]);

	return page.div('gl-multipath', [
		E('div', { tabindex: 0 }, [graph.svg('svg', {
			class: 'gl-ways', role: 'img', 'aria-label': _('All ways to the target'), viewBox: '0 0 %d %d'.format(wide, high), width: wide, height: high
		}, edges.filter(edge => spots[edge.to]).map(edge => {
			const from = spots[edge.from] || top, to = spots[edge.to];
			return graph.svg('line', { x1: from.x, y1: from.y, x2: to.x, y2: to.y, 'stroke-dasharray': edge.inferred ? '4 4' : null });
		}).concat([top].concat(all).map(spot => graph.svg('g', {}, [
			graph.svg('title', {}, [spot.title]),
			graph.svg('circle', { cx: spot.x, cy: spot.y, r: RADIUS }),
			graph.svg('text', { x: spot.x, y: spot.y + 4, 'text-anchor': 'middle' }, [spot.name])
		]))))]),
		E('ul', { class: 'gl-names' }, all.map(spot => E('li', {}, [E('b', {}, [spot.name]), ' ' + spot.title])))
	]);
}

return baseclass.extend({ bar, ladder, ways });
