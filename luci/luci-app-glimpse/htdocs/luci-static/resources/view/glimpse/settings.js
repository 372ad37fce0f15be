// SPDX-License-Identifier: Apache-2.0
'use strict';
'require view';
'require dom';
'require form';
'require uci';
'require glimpse.page as page';
'require glimpse.rpc as glimpse';
'require glimpse.words as words';

/* What the household decides: all of it is UCI, which the agent only reads. Joining and erasing are asked of the agent. */

const MIB = 1048576;
const get = (section, name) => uci.get('glimpse', section, name);

/*
 * Adds options, one a row: kind, name, title, help, the value that holds when nothing is set, and of texts and lists what
 * checks them, of bytes the unit they are shown in. A name such as `plugins.enabled` is of another UCI section than the
 * page. With `needs` they are shown only while that switch is on.
 */
function fill(s, needs, rows) {
	return rows.map(([kind, path, title, help, usual, check]) => {
		const place = path.split('.'), name = place.pop(), at = place[0] || s.section;
		const unit = kind == 'bytes' && check;
		const o = s.option({ flag: form.Flag, list: form.DynamicList }[kind] || form.Value, path.replace('.', '_'), title, help);

		if (needs) {
			o.depends(needs, '1');
			o.retain = true;
		}

		o.load = () => {
			const value = get(at, name);
			return unit && value ? String(+(value / unit).toFixed(3)) : value;
		};
		o.write = (sid, value) => uci.set('glimpse', at, name, unit ? String(Math.round(value * unit)) : value);
		o.remove = () => uci.unset('glimpse', at, name);

		if (kind == 'flag') {
			o.rmempty = false; /* its absence would say less than its state */
			o.default = usual || '0';
		}
		else {
			o.placeholder = unit ? usual / unit : usual;
			o[typeof(check) == 'function' ? 'validate' : 'datatype'] = unit ? 'ufloat' : check;
		}
		return o;
	});
}

/* Something that is shown and not set. */
function show(s, title, build) {
	Object.assign(s.option(form.DummyValue, '_' + s.children.length, title), { renderWidget: build, write: () => { } });
}

const QUIET = /^$|^([01]\d|2[0-3]):[0-5]\d-([01]\d:[0-5]\d|2[0-3]:[0-5]\d|24:00)$/;
const isQuiet = (sid, value) => QUIET.test(value) || _('two times of day such as 22:00-06:00');

/* Joining: the token goes to the agent and stays nowhere. */
function enrolment(url, status) {
	const field = (type, label) => E('input', { type, autocomplete: 'off', placeholder: label, 'aria-label': label });
	const token = field('password', _('Token')), print = field('text', _('Fingerprint (sha256:…)'));
	const said = E('div', { role: 'status' });
	const told = (kind, ...lines) => dom.content(said, [words.mark(kind, lines.filter(Boolean).join(' '))]);

	return E('div', {}, [
		page.div('gl-actions', [token, print, page.button(_('Join'), 'action', () => {
			const host = url.formvalue('controller');

			if (!token.value || !host)
				return told('fair', _('Address and token are needed.'));

			told('unknown', _('Joining; this may take a minute …'));
			return glimpse.enrol({ token: token.value.trim(), controller: host, fingerprint: print.value.trim() || undefined })
				.then(answer => glimpse.follow(answer.id)).then(job => {
					if (job.error || job.state != 'done')
						throw new Error(job.error || job.state);
					token.value = '';
					told('good', _('Joined.'), get('controller', 'url') != host && _('Now save the address of the controller.'),
						get('consent', 'enabled') != '1' && _('Nothing is measured for others before you consent.'));
				}).catch(error => told('poor', error.message));
		})]),
		page.div('cbi-value-description', [status && status.enrolled ? _('This router has joined; joining again gets a new certificate.') :
			_('Whoever runs the platform gives you both. Without a fingerprint, a public authority must vouch for the controller.')]),
		said
	]);
}

function state(status) {
	const { agent, certificate_until: until } = status.controller;

	return page.facts([
		[_('Known there as'), agent || '–'],
		[_('Certificate until'), words.absolute(until)],
		[_('Version'), status.version],
		[_('Router'), status.board ? status.board.model + ' · ' + status.board.release : '–']
	]);
}

/* Erasing stands apart, and wants a word to be typed. */
function danger() {
	const said = E('div', { role: 'status' });
	const typed = E('input', { autocomplete: 'off', autocapitalize: 'none', 'aria-label': 'erase', input: () => { button.disabled = !page.mayWrite() || typed.value.trim() != 'erase'; } });
	const button = page.button(_('Erase everything'), 'negative', () => glimpse.erase({ confirm: typed.value.trim() }).then(answer => {
		typed.value = '';
		dom.content(said, [words.mark('good', answer.pending ? _('Erased here; the controller will be told when it answers.') :
			answer.forgotten ? _('Erased here and at the controller.') : _('Erased here.'))]);
	}).catch(page.refused(said)));

	button.disabled = true;
	return page.details(_('Erase everything …'), [
		E('p', {}, [_('Deletes identity, history and waiting results on this router, and asks the controller to forget what came from here. Your settings stay. This cannot be undone.')]),
		page.div('gl-actions', [_('To confirm, type:'), E('code', {}, ['erase']), typed, button]),
		said
	]);
}

return view.extend({
	load: () => Promise.all([
		glimpse.status().catch(error => error),
		glimpse.capabilities().catch(() => ({ methods: [] })),
		uci.load('glimpse')
	]),

	render([status, { methods }]) {
		const failed = status instanceof Error && page.failure(status);
		const m = new form.Map('glimpse');
		const tab = (name, title, help) => m.section(form.NamedSection, name, name, title, help);

		['consent', 'limits', 'storage', 'controller', 'restconf', 'responder', 'plugins', 'diagnose'].forEach(name =>
			get(name) || uci.add('glimpse', name, name));
		m.tabbed = true;

		const consent = tab('consent', _('Consent'));
		show(consent, _('What it means'), page.consent);
		fill(consent, null, [['flag', 'enabled', _('Measure for others'), _('When this is off, nothing is fetched, measured or sent for others. Your own tests and this page go on.')]]);

		const limits = tab('limits', _('Limits'), _('Your word is above that of whoever asks: what goes beyond is not measured.'));
		fill(limits, null, [
			['bytes', 'monthly_bytes', _('Donated a month, at most (MiB)'), _('Your own tests are not counted.'), 500 * MIB, MIB],
			['flag', 'mobile', _('Measure over mobile lines')]
		]);
		fill(limits, 'mobile', [['bytes', 'mobile_bytes', _('Of this over mobile lines (MiB)'), null, 30 * MIB, MIB]]);
		fill(limits, null, [
			['list', 'mobile_interfaces', _('Also mobile: interfaces'), null, 'usb0', 'maxlength(15)'],
			['list', 'quiet_hours', _('Quiet hours'), null, '22:00-06:00', isQuiet]
		]);
		const names = new Set(methods.map(method => method.name).concat(get('limits', 'forbidden_methods') || []));
		if (names.size) {
			const never = limits.option(form.MultiValue, 'forbidden_methods', _('Never for others'));
			names.forEach(name => never.value(name, words.method(name)));
		}
		fill(limits, null, [
			['flag', 'lan', _('Measure in your home for others')],
			['text', 'cross_traffic_kbps', _('Speed tests wait above (kbit/s)'), _('While the line carries more; 0: they do not wait.'), 200, 'uinteger']
		]);

		fill(tab('storage', _('Storage')), null, [
			['flag', 'history_keep', _('Keep the history over restarts'), _('256 KiB of flash at most, written four times a day at most.'), '1'],
			['bytes', 'history_raw_bytes', _('Results of the last two days, in memory (KiB)'), null, MIB, 1024],
			['bytes', 'spool_bytes', _('Results that wait (KiB)'), null, 2 * MIB, 1024],
			['text', 'spool_dir', _('Where results wait'), _('Below /tmp a restart loses them; they cost no flash.'), '/tmp/glimpse/spool', 'directory']
		]);

		const agent = tab('controller', _('Agent'));
		const [url] = fill(agent, null, [
			['text', 'url', _('Controller'), _('Without one this router measures for you alone.'), 'https://…:8440'],
			['text', 'name', _('Name in its certificate'), null, _('the host above'), 'hostname']
		]);
		show(agent, _('Join'), () => enrolment(url, status));
		if (!failed)
			show(agent, _('State'), () => state(status));

		const management = tab('restconf', _('Management'), _('For providers that manage many routers, by RESTCONF. Needs consent and enrolment.'));
		fill(management, null, [['flag', 'enabled', _('On')]]);
		fill(management, 'enabled', [
			['list', 'call_home', _('Call home to'), null, 'controller.example.net:4336'],
			['list', 'listen', _('Listen at'), _('Addresses of this router; empty: nowhere.'), '192.0.2.1', 'ipaddr("nomask")'],
			['text', 'port', _('Port'), null, 8443, 'range(1024,65535)']
		]);

		const advanced = tab('responder', _('Advanced'));
		fill(advanced, null, [
			['list', 'diagnose.reference', _('Trouble-shooter asks'), _('Up to four hosts outside that answer pings; empty: the controller.'), '192.0.2.1', 'host'],
			['text', 'diagnose.speed_url', _('Speed test loads from'), null, 'http://…'],
			['text', 'diagnose.upload_url', _('Speed test sends to'), null, 'http://…'],
			['text', 'diagnose.public_dns', _('Public name server'), _('May be asked beside that of your provider.'), null, 'ipaddr("nomask")'],
			['text', 'diagnose.page_url', _('Known page, by http'), _('To find login pages in the way.'), 'http://…'],
			['text', 'diagnose.page_answer', _('Its exact content')]
		]);
		fill(advanced, null, [['flag', 'enabled', _('Answer other agents'), _('Only those to which the controller gave leave.')]]);
		fill(advanced, 'enabled', [
			['text', 'port', _('Port'), null, 5105, 'range(1024,65535)']
		]);
		fill(advanced, null, [
			['flag', 'plugins.enabled', _('Plug-ins: programs of your own')]
		]);

		return m.render().then(node => page.frame(_('Settings'), [failed || '', node, danger()]));
	}
});
