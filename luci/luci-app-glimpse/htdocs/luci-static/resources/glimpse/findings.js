// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';
'require glimpse.words as words';

/*
 * What the trouble-shooter's codes mean, and what to do about them. Values are figures with their unit in the name, and
 * foreign text.
 */

document.head.appendChild(E('link', { rel: 'stylesheet', href: L.resource('glimpse/tools.css') }));

const STEPS = {
	link: _('Line'), address: _('Address from the provider'), gateway: _("The provider's first box"), path: _('Way into the Internet'),
	names: _('Name servers'), page: _('A known web page'), packet_size: _('Large packets'), clock: _('Clock and certificates'),
	line_use: _('Use of the line right now'), wifi: _('Wi-Fi of this device'), processor: _("The router's processor"),
	speed: _('Speed'), busy: words.figure('busy_delay'), lookups: words.figure('dns'), families: _('IPv4 against IPv6'),
	path_change: _('Changes of the way'), idle: words.figure('delay')
};

/* Values worth showing at a step, and the words of those that need one. */
const SHOWN = /^(ipv[46](_last_hop)?|.*_(us|ppm|percent|dbm|bytes)|(down|up)_kbps|interface|protocol|url|location|host|now|since|error)$/;
const VALUES = {
	ipv4_last_hop: _('last hop'), provider_us: _("the provider's"), router_us: _("the router's"), public_us: _('a public one'), location: '→', down_kbps: '↓',
	up_kbps: '↑', near_us: _('near'), far_us: _('far'), near_loss_ppm: _('lost'), far_loss_ppm: _('lost'), idle_us: _('idle'), loss_ppm: _('lost'),
	interface_mtu_bytes: 'MTU', added_down_us: '↓ +', added_up_us: '↑ +', since: _('since')
};

const REASONS = {
	not_configured: _('not set up: option %s'), no_route: _('no way out'), no_target: _('no name found'),
	no_answer: _('nothing answered'), no_method: _('not in this build'), no_ipv6: _('only one version of IP'),
	no_client: _('device not known'), not_wireless: _('not on Wi-Fi'),
	no_facts: _('not told here'), no_history: _('nothing to compare with yet'), too_long: _('it took too long')
};

const PROVIDER = _('Tell your provider.');
const MODEM = _('Restart the modem, else call your provider.');
const DEVICE = _('Look at the Wi-Fi or the device; try another one.');
const RESTART = _('Restart the router, else tell your provider.');
const AGAIN = _('Measure again later, then send your provider the report.');

/* Heading, what to do, and the values that the two are filled with. */
const FINDINGS = {
	interface_down: [_('The Internet connection is off (%s).'), _('Switch it on under Network.'), 'interface'],
	no_carrier: [_('No signal on the line.'), _('Check cable and power of the modem, then call your provider.')],
	no_address: [_('The provider gives no address.'), MODEM],
	login_refused: [_('The provider refuses the user name or password.'), _('Check both under Network.')],
	sim_refused: [_('The SIM card or its PIN is refused.'), _('Try the card in a telephone.')],
	gateway_silent: [_('The first box of your provider does not answer.'), MODEM],
	provider_network: [_("The fault is in your provider's network: nothing answers after hop %s."), PROVIDER, 'last_hop'],
	beyond_provider: [_("The fault is outside your provider's network, after hop %s."), _('Other sites may still work.'), 'last_hop'],
	names_down: [_('No name server answers.'), RESTART],
	provider_names_down: [_("Your provider's name server is down."), _('Meanwhile set another one under Network.')],
	router_names_hang: [_("The router's own name service hangs."), RESTART],
	login_page: [_('A login page stands in the way.'), _('Open it in your browser and log in: %s'), '', 'location'],
	page_unreachable: [_('Web pages cannot be reached, though packets get through.'), _('Check your firewall.')],
	large_packets_lost: [_('Large packets get lost: only %s fit.'), _('Set this as MTU of the interface.'), 'mtu_bytes'],
	clock_wrong: [_("The router's clock is wrong, so secure pages fail."), _('Set it under System.')],
	certificate_refused: [_('The certificate of %s is wrong.'), _('Type no passwords there.'), 'host'],
	ipv4_broken: [_('IPv4 does not work; IPv6 does.'), PROVIDER],
	ipv6_broken: [_('IPv6 does not work; IPv4 does.'), PROVIDER],
	works: [_('The Internet works from the router.'), DEVICE],
	not_checked: [_('No fault was seen, but not all could be tried.'), _('The skipped steps say what is missing.')],
	no_connection: [_('Nothing outside answers.'), _('Run "Internet does not work".')],
	line_in_use: [_('Somebody at home uses the line (%s down, %s up).'), _('Wait, or find out which device it is.'), 'down_kbps up_kbps'],
	weak_wifi: [_('This device has a weak Wi-Fi signal (%s).'), _('Go nearer to the router, or use a cable.'), 'signal_dbm'],
	router_busy: [_('The router is the limit: its processor is %s busy.'), _('Switch VPN, shaping or filters off.'), 'busy_percent'],
	access_disturbed: [_('The access line is disturbed: delay %s, %s lost.'), _('Check the cables, then tell your provider.'), 'delay_us loss_ppm'],
	trouble_beyond: [_('The trouble is further away, after hop %s.'), _('Your own line is fine.'), 'after_hop'],
	less_than_paid: [_('%s: you get %s of the %s you pay for.'), AGAIN, 'direction kbps against_kbps'],
	slower_than_usual: [_('%s: %s, where %s are usual here.'), AGAIN, 'direction kbps against_kbps'],
	queue_bloat: [_('The line gets slow when it is full: %s more delay.'), _('Queue management (SQM) helps: set it to %s down and %s up.'), 'added_us', 'sqm_down_kbps sqm_up_kbps'],
	names_slow: [_('Looking up names takes %s.'), _('Try another name server.'), 'median_us'],
	ipv6_slow: [_('IPv6 is much slower (%s) than IPv4 (%s).'), PROVIDER, 'ipv6_us ipv4_us'],
	ipv4_slow: [_('IPv4 is much slower (%s) than IPv6 (%s).'), PROVIDER, 'ipv4_us ipv6_us'],
	path_changed: [_('Packets take another way than before (%s), from hop %s on.'), PROVIDER, 'since from_hop'],
	not_slow: [_('Nothing is slow right now.'), DEVICE],
	speed: [_('Download %s, upload %s, delay %s, and %s more while the line is busy.'), '', 'down_kbps up_kbps delay_us added_us']
};

/* One value in words. */
function say(name, value) {
	const unit = name.split('_').pop();

	return value == null ? '–' : name == 'direction' ? words.figure(value) : /^(now|since)$/.test(name) ? words.absolute(value) :
		/^(us|kbps|ppm)$/.test(unit) ? words.value(value, unit) :
		value + ({ percent: ' %', dbm: ' dBm', bytes: ' ' + _('bytes') }[unit] || '');
}

function fill(finding, text, names) {
	const of = FINDINGS[finding.code] || [finding.code, ''];
	return String.prototype.format.apply(of[text], (of[names] || '').split(' ').map(name => say(name, (finding.values || {})[name])));
}

return baseclass.extend({
	step: code => STEPS[code] || words.figure(code),
	heading: finding => fill(finding, 0, 2),
	advice: finding => fill(finding, 1, 3),

	/* What a step has seen, in a line. */
	seen(step) {
		const values = step.values || {};

		return step.state == 'skipped' ? (REASONS[values.reason] || values.reason || '').format(values.option) :
			Object.keys(values).filter(name => SHOWN.test(name)).map(name =>
				(VALUES[name] || name.replace(/^ip(v[46]).*|.*/, (all, version) => version ? 'IP' + version : '')) + ' ' + say(name, values[name])).join(' · ');
	}
});
