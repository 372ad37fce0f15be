// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';
'require glimpse.page as page';
'require glimpse.words as words';
'require glimpse.path as path';

/*
 * A result for people: one sentence, a small picture, then everything as a table and as JSON. Of a method that is
 * not known here, such as a plug-in's, names and values are shown.
 */

const us = n => words.value(n, 'us');
const rate = bps => words.value(bps && bps / 1000, 'kbps');
const list = value => Array.isArray(value) ? value : [];

/* Signals of an access point's clients, or of its own connection. */
const signals = r => [].concat(...list(r.ap_list).map(ap => (ap.stations || [ap]).filter(one => one.level).map((one, i) => [ap.interface + ' ' + (i + 1), one.level])));

const SENTENCES = {
	ping: r => r.round_trip_received ?
		_('%s answers in %s; %d of %d packets were lost.').format(r.destination_ip, us(r.round_trip_avg && r.round_trip_avg * 1000), r.round_trip_sent - r.round_trip_received, r.round_trip_sent) :
		_('%s did not answer: all %d packets were lost.').format(r.destination_ip, r.round_trip_sent),

	traceroute: r => {
		const last = list(r.results).filter(hop => hop.rtt_count).pop() || { ttl: r.results ? 0 : r.hop_count };
		const wide = Math.max(0, ...list(r.diamonds).map(diamond => diamond.width));
		const end = {
			target: N_(last.ttl, '%s is %d hop away and answers in %s.', '%s is %d hops away and answers in %s.'),
			unreachable: _('%s cannot be reached, says hop %d.'),
			loop: _('Packets to %s go in a circle at hop %d.')
		}[r.stop_reason] || _('%s was not reached; the last to answer was hop %d.');

		return end.format(r.destination_ip, last.ttl, us(last.rtt_avg)) + (wide ? ' ' + _('On the way packets spread over up to %d ways.').format(wide) : '');
	},

	latencyload: r => _('Answers take %s on the idle line; a full line adds up to %s.').format(us(r.idle.median_us),
		us(Math.max(...['down', 'up', 'both'].map(way => (r[way] || {}).added_p95_us || 0)))),

	dnslookup: r => {
		const heard = list(r.queries).filter(query => query.rcode);
		const { server, query_us } = heard[0] || {};

		return r.hostname ? _('Its name is %s').format(r.hostname) :
			(heard.every(query => query.rcode == 'NXDOMAIN') ? _('There is no such name, said %s in %s.') : _('%s answered in %s.')).format(server, us(query_us));
	},

	wifi: r => _('Wi-Fi devices heard: %d').format(signals(r).length)
};
SENTENCES.reversednslookup = SENTENCES.dnslookup;

function sentence(record) {
	const say = record.status == 'ok' && SENTENCES[record.method];

	return say ? say(record.probe_result) : words.method(record.method) + ': ' + words.summary(record);
}

/* Bars side by side, or dots at their height. */
function columns(values, say, kind) {
	const most = Math.max(0, ...values);

	return most ? page.div('gl-columns ' + kind, [E('b', {}, [say(most)]), ...values.slice(-300).map(n =>
			E('span', { title: say(n) }, [E('i', { style: 'height:%f%%'.format(100 * n / most) }, [])]))]) : '';
}

/* Rows of label, bar and value; a pale bar behind it where there is a spread, which `key` explains. */
function rows(entries, say, key) {
	const known = entries.filter(entry => entry[1] != null);
	const most = Math.max(1, ...known.map(entry => Math.max(entry[1], entry[2] || 0)));

	return page.div('gl-rows', [...known.map(entry => page.div('gl-row', [
		E('span', {}, [entry[0]]), path.bar(entry[1] / most, (entry[2] || 0) / most), page.div('gl-value', [say(entry[1])])
	])), page.div('gl-hint', [key])]);
}

/* All connections' slots added up. */
function slots(r) {
	const sums = [];

	list(r.bandwidth_bps_per_thread).forEach(thread => list(thread.slots).forEach((bps, i) => sums[i] = (sums[i] || 0) + bps));
	return columns(sums, rate, '');
}

const PICTURES = {
	ping: r => columns(list(r.round_trip_ms), ms => us(ms * 1000), 'gl-dots'),
	traceroute: r => page.div('', [list(r.diamonds).length ? path.ways(r) : '', path.ladder(r)]),
	latencyload: r => rows(['idle', 'down', 'up', 'both'].filter(name => r[name]).map(name =>
		[{ idle: _('idle'), both: _('both ways') }[name] || words.figure(name), r[name].median_us, r[name].p95_us]), us, _('pale: 95 of 100 answers')),
	httpdownload: slots,
	httpupload: slots,
	btc_ma: r => page.div('', [...['down', 'up'].filter(way => r[way]).map(way =>
		page.div('', [words.figure(way), columns(list(r[way].kBs).map(kib => kib * 8192), rate, '')]))]),
	packettrains_ma: r => rows(list(r.receiving_bps).map((bps, i) => [i + 1, bps, list(r.sending_bps)[i]]), rate, _('pale: sent')),
	dnslookup: r => page.div('', [
		rows(list(r.queries).map(query => [query.type + ' · ' + query.server, query.query_us]), us, ''),
		!list(r.records).length ? '' : page.table([_('Name'), _('Type'), _('Value'), _('Kept for')], list(r.records).map(one => [[one.name], [one.type], [one.value], [words.span(one.ttl)]]))
	]),
	upnp: r => page.table([_('Address'), _('Name'), _('Maker'), _('Model')], Object.keys(r).map(name =>
		[[name], [r[name].friendly_name], [r[name].manufacturer], [r[name].model_name]])),

	/* A signal of -100 dBm and less has no bar. */
	wifi: r => rows(signals(r).map(one => [one[0], Math.max(0, one[1] + 100)]), n => (n - 100) + ' dBm', '')
};
PICTURES.reversednslookup = PICTURES.dnslookup;

/* A figure by the unit in its name. */
function shown(name, value) {
	return value == null || value === '' ? '–' : typeof(value) != 'number' ? String(value) :
		/(^|_)us$|^rtt_[^c]/.test(name) ? us(value) : /_bps(_|$)/.test(name) ? rate(value) : String(value);
}

/* Names and values of whatever a result holds, nested ones with their path; so many rows at most. */
function flat(value, name, lines) {
	const plain = item => item === null || typeof(item) != 'object';

	if (lines.length > 150)
		return lines;
	if (plain(value))
		lines.push([[name], [shown(name.split('.').pop(), value)]]);
	else if (Array.isArray(value) && value.every(plain))
		lines.push([[name], [value.slice(0, 40).join(', ') + (value.length > 40 ? ' …' : '')]]);
	else
		Object.keys(value).forEach(key => flat(value[key], (name ? name + '.' : '') + key, lines));
	return lines;
}

function render(record) {
	const { probe_result, bytes, status } = record;
	const draw = status == 'ok' && PICTURES[record.method];

	return E('div', {}, [
		E('h3', {}, [sentence(record)]),
		E('p', { class: 'gl-hint' }, [[
			record.own ? _('Your own: not capped, and sent to nobody.') : '',
			status == 'ok' && record.error ? record.error : '',
			list(record.flags).includes('cpu_load') ? _('The router was too busy to be sure of this.') : ''
		].filter(Boolean).join(' ')]),
		draw ? draw(probe_result) : '',
		page.details(_('Details'), [
			page.table(['', ''], [
				[[_('Begun')], [record.start_time ? words.absolute(record.start_time) : '–']],
				[[_('Duration')], [us(record.duration * 1000)]],
				[[_('Traffic')], [words.bytes(bytes.sent + bytes.received)]],
				...flat(probe_result, '', [])
			]),
			page.details('JSON', [E('pre', { tabindex: 0 }, [JSON.stringify(record, null, 2)])])
		])
	]);
}

return baseclass.extend({ render });
