// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';

/* Figures, times and states in the words of the household. */

/* LuCI's language, in the kind of it that the browser prefers: the order of a date is another in en-GB than in en-US. */
const tongue = document.documentElement.lang.slice(0, 2);
const lang = navigator.languages.find(tag => tag.slice(0, 2) == tongue) || tongue || undefined;

/* Two to three significant digits: 94.2, 1.3, 430. */
function digits(n) {
	return (Math.abs(n) < 1000 ? +n.toPrecision(Math.abs(n) < 10 ? 2 : 3) : Math.round(n)).toLocaleString(lang);
}

/* Unit for values up to `most`: what to divide by, and its name. */
const UNITS = {
	us: [[2e6, _('s'), 1e6], [0, _('ms'), 1e3]],
	ppm: [[0, '%', 1e4]],
	kbps: [[1e6, _('Gbit/s')], [1e3, _('Mbit/s')], [0, _('kbit/s'), 1]],
	bytes: [[1073741824, _('GiB')], [1048576, _('MiB')], [1024, _('KiB')], [0, _('bytes'), 1]]
};

function scale(unit, most) {
	const [from, name, divisor] = UNITS[unit].find(entry => most >= entry[0]);
	return { divisor: divisor || from, name, most };
}

function value(n, unit) {
	if (n == null)
		return '–';

	const by = scale(unit, Math.abs(n));
	return digits(n / by.divisor) + '\u00a0' + by.name;
}

/* `212 of 500 MiB`: both in the unit of the larger. */
function portion(n, most, unit) {
	const by = scale(unit, Math.max(n, most));
	return _('%s of %s', 'amount of total').format(digits(n / by.divisor), digits(most / by.divisor) + '\u00a0' + by.name);
}

function span(seconds) {
	const n = per => Math.round(Math.abs(seconds) / per);

	return n(1) < 90 ? N_(n(1), '%d second', '%d seconds').format(n(1)) :
		n(60) < 90 ? N_(n(60), '%d minute', '%d minutes').format(n(60)) :
		n(3600) < 36 ? N_(n(3600), '%d hour', '%d hours').format(n(3600)) :
		N_(n(86400), '%d day', '%d days').format(n(86400));
}

function absolute(time) {
	return time == null ? '–' : new Date(time).toLocaleString(lang, { dateStyle: 'medium', timeStyle: 'short' });
}

function relative(time, now) {
	const seconds = (new Date(time) - (now ? new Date(now) : Date.now())) / 1000;

	if (seconds > -5 && seconds <= 0)
		return _('just now');
	return (seconds < 0 ? _('%s ago') : _('in %s')).format(span(seconds));
}

const FIGURES = {
	delay: _('Delay'),
	loss: _('Lost packets'),
	down: _('Download'),
	up: _('Upload'),
	busy_delay: _('Delay when busy'),
	dns: _('Name look-ups')
};

const VERDICTS = {
	good: ['✓', _('good')],
	fair: ['!', _('fair')],
	poor: ['✗', _('poor')],
	unknown: ['…', _('not known yet')]
};

const METHODS = {
	ping: _('Delay and loss'),
	traceroute: _('Path through the network'),
	dnslookup: _('Name look-up'),
	reversednslookup: _('Name of an address'),
	httpdownload: _('Download speed'),
	httpupload: _('Upload speed'),
	latencyload: _('Delay while the line is busy'),
	btc_ma: _('Speed to another household'),
	packettrains_ma: _('Capacity to another household'),
	upnp: _('Devices that announce themselves'),
	wifi: _('Wi-Fi of this router'),
	survey: _('Survey')
};

const STATUSES = {
	ok: _('done'),
	failed: _('failed'),
	aborted: _('stopped'),
	skipped: _('skipped'),
	refused: _('refused'),
	gap: _('lost')
};

const REASONS = {
	consent: _('no consent'),
	budget: _('monthly cap'),
	precondition: _('not over this line'),
	quiet_hours: _('quiet hours'),
	method_forbidden: _('forbidden by you'),
	target_refused: _('target not allowed'),
	target_rate: _('target measured too often'),
	cross_traffic: _('line in use'),
	clock_untrusted: _('clock not set'),
	overlap: _('the one before still ran'),
	missed: _('router off or busy'),
	suppressed: _('suspended by the platform'),
	queue_full: _('too many waiting')
};

const EVENTS = {
	restart: _('Restart'),
	address: _('New address'),
	path: _('Other path'),
	skipped: _('Skipped')
};

const named = (table, name) => typeof(table[name]) == 'string' ? table[name] : String(name);
const rate = bps => bps == null ? '' : value(bps / 1000, 'kbps');

function middle(list) {
	const sorted = list.filter(n => typeof(n) == 'number').sort((a, b) => a - b);
	return sorted.length ? sorted[sorted.length >> 1] : null;
}

/* The figures of a measurement that ran. */
const TOLD = {
	ping: r => r.round_trip_avg == null ? _('no answer') :
		value(r.round_trip_avg * 1000, 'us') + ', ' + _('%s lost', 'share of packets').format(value(r.round_trip_loss * 1e6, 'ppm')),
	traceroute: r => N_(r.hop_count, '%d station', '%d stations').format(r.hop_count) + (r.stop_reason == 'target' ? '' : ', ' + _('no answer')),
	dnslookup: r => value(middle(r.queries.map(q => q.query_us)), 'us'),
	reversednslookup: r => r.hostname || _('no name'),
	httpdownload: r => rate(r.bandwidth_bps_avg || r.bandwidth_bps_whole),
	httpupload: r => rate(r.bandwidth_bps_avg || r.bandwidth_bps_whole),
	latencyload: r => ['down', 'up', 'both'].filter(way => r[way] && r[way].added_p95_us != null).map(way =>
		'+' + value(Math.max(0, r[way].added_p95_us), 'us') + ' (' + (FIGURES[way] || _('both ways')) + ')').join(', '),
	btc_ma: r => [r.down, r.up].filter(L.isObject).map(way => rate(way.bandwidth_bps_avg)).join(' / '),
	packettrains_ma: r => rate(r.capacity_bps),
	upnp: r => N_(Object.keys(r).length, '%d device', '%d devices').format(Object.keys(r).length)
};

/* One line on a record. Parts of it come from other machines: it belongs into an array of children. */
function summary({ status, method, skip, gap, error, probe_result: result }) {
	try {
		if (status == 'ok')
			return TOLD[method](result) || STATUSES.ok;
	}
	catch (e) { /* a plug-in, or a record that was shortened */
		return STATUSES.ok;
	}

	if (skip)
		return named(REASONS, skip.reason) + (skip.count > 1 ? ' (' + _('%d times').format(skip.count) + ')' : '');
	return gap ? _('%d results lost for want of space').format(gap.count) : error;
}

/* Symbol and word of a verdict; the colour comes with the class. */
function mark(name, text) {
	const of = VERDICTS[name] ? name : 'unknown';

	return E('span', { class: 'gl-mark gl-' + of }, [
		E('span', { class: 'gl-symbol', 'aria-hidden': 'true' }, [VERDICTS[of][0]]),
		E('span', {}, [text == null ? VERDICTS[of][1] : text])
	]);
}

/* The line's verdict as one sentence. */
function sentence({ overall, figures, samples, needed }) {
	const guilty = figures.filter(f => f.verdict == overall);
	const slow = guilty.find(f => f.against_what == 'contract');

	if (overall == 'good')
		return _('Your line is fine.');
	if (overall == 'unknown')
		return _('Not enough measurements yet (%d of %d).').format(samples, needed);
	if (slow)
		return (slow.figure == 'up' ? _('Uploads reach %s of the %s you pay for.') : _('Downloads reach %s of the %s you pay for.')).format(value(slow.value, slow.unit), value(slow.against, slow.unit));
	return (overall == 'fair' ? _('Your line could be better: %s.') : _('Your line is poor: %s.')).format(guilty.map(f => FIGURES[f.figure]).join(', '));
}

return baseclass.extend({
	lang, digits, scale, value, portion, span, middle, absolute, relative, summary, mark, sentence,
	bytes: n => value(n || 0, 'bytes'),
	figures: Object.keys(FIGURES),
	figure: name => named(FIGURES, name),
	method: name => named(METHODS, name || '–'),
	status: name => named(STATUSES, name),
	event: ({ kind, text }) => [named(EVENTS, kind), kind == 'restart' ? '' : text && named(REASONS, text)].filter(Boolean).join(': '),

	/* `12 minutes ago`, with the point in time on hover; `now` is the router's clock where it is known. */
	ago: (time, now) => time == null ? _('never') : E('time', { datetime: time, title: absolute(time) }, [relative(time, now)])
});
