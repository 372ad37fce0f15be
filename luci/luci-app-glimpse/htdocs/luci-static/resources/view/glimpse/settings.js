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
 * checks them, of bytes the unit they are shown in. A name such as `limits.parallel` is of another UCI section than the
 * page. With `needs` they are shown only while that switch is on.
 */
function fill(s, needs, rows) {
	return rows.map(([kind, path, title, help, usual, check]) => {
		const place = path.split('.'), name = place.pop(), at = place[0] || s.section;
		const unit = kind == 'bytes' && check;
		const o = s.option({ flag: form.Flag, choice: form.ListValue, list: form.DynamicList }[kind] || form.Value, path.replace('.', '_'), title, help);

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
		else if (kind == 'choice') {
			usual.forEach(one => o.value(...one));
			o.default = usual[0][0];
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

const valid = (pattern, fault) => (sid, value) => [].concat(value || []).every(one => pattern.test(one)) || fault;
const isQuiet = valid(/^([01]\d|2[0-3]):[0-5]\d-([01]\d:[0-5]\d|2[0-3]:[0-5]\d|24:00)$/, _('must be two times of day such as 22:00-06:00'));
const isController = valid(/^https:\/\/[\w.[\]:-]+\/?$/, _('must be https:// and a host, with a port if need be'));

/* Joining: the token goes to the agent and stays nowhere. */
function enrolment(url, status) {
	const field = (type, label) => E('input', { type: type, autocomplete: 'off', placeholder: label, 'aria-label': label });
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
		page.div('cbi-value-description', [status && status.enrolled ? _('This router has joined already; joining again gets it a new certificate.') :
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
		dom.content(said, [words.mark('good', answer.pending ? _('Erased here; the controller is asked to forget you as soon as it answers.') :
			answer.forgotten ? _('Erased here, and the controller has forgotten you.') : _('Erased here; there was no controller to tell.'))]);
	}).catch(error => dom.content(said, [words.mark('poor', error.message)])));

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

	render: function([status, { methods }]) {
		const failed = status instanceof Error && page.failure(status);
		const m = new form.Map('glimpse');
		const tab = (name, title, help) => m.section(form.NamedSection, name, name, title, help);

		['consent', 'limits', 'storage', 'controller', 'restconf', 'responder', 'plugins', 'log'].forEach(name =>
			get(name) || uci.add('glimpse', name, name));
		m.tabbed = true;

		const consent = tab('consent', _('Consent'));
		show(consent, _('What it means'), page.consent);
		fill(consent, null, [['flag', 'enabled', _('Measure for others'), _('When this is off, nothing is fetched, measured or sent for others. Your own tests and this page go on.')]]);
		show(consent, _('Survey'), () => page.link(_('A few voluntary answers make the figures comparable'), 'survey'));

		const limits = tab('limits', _('Limits'), _('Your word is above that of whoever asks: what goes beyond is not measured.'));
		fill(limits, null, [
			['bytes', 'monthly_bytes', _('Donated a month, at most (MiB)'), _('Your own tests are not counted.'), 500 * MIB, MIB],
			['flag', 'mobile', _('Measure over mobile lines')]
		]);
		fill(limits, 'mobile', [['bytes', 'mobile_bytes', _('Of this over mobile lines (MiB)'), null, 30 * MIB, MIB]]);
		fill(limits, null, [
			['list', 'mobile_interfaces', _('Also mobile'), _('Interfaces that do not look like it.'), 'usb0', 'maxlength(15)'],
			['list', 'quiet_hours', _('Quiet hours'), null, '22:00-06:00', isQuiet]
		]);
		const names = new Set(methods.map(method => method.name).concat(get('limits', 'forbidden_methods') || []));
		if (names.size) {
			const never = limits.option(form.MultiValue, 'forbidden_methods', _('Never for others'), _('Measurements that only you may make.'));
			names.forEach(name => never.value(name, words.method(name)));
		}
		fill(limits, null, [
			['flag', 'lan', _('Measure in your home for others')],
			['text', 'cross_traffic_kbps', _('Keep out of the way above (kbit/s)'), _('Speed tests wait while the line carries more. 0: they do not.'), 200, 'uinteger'],
			['list', 'bulk_targets', _('Speed tests for others may use'), _('Hosts beside those that ask for it themselves.'), 'speed.example.net', 'host']
		]);

		fill(tab('storage', _('Storage')), null, [
			['flag', 'history_keep', _('Keep the history over restarts'), _('256 KiB of flash at most, written four times a day at most.'), '1'],
			['bytes', 'history_raw_bytes', _('Results of the last two days, in memory (KiB)'), null, MIB, 1024],
			['bytes', 'spool_bytes', _('Results that wait (KiB)'), null, 2 * MIB, 1024],
			['text', 'spool_dir', _('Where results wait'), _('Below /tmp a restart loses them; they cost no flash.'), '/tmp/glimpse/spool', 'directory']
		]);

		const agent = tab('controller', _('Agent'));
		const [url] = fill(agent, null, [
			['text', 'url', _('Controller'), _('Without one this router measures for you alone.'), 'https://controller.example.net:8440', isController],
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
			['text', 'port', _('Port'), null, 8443, 'port'],
			['list', 'client', _('Others who may read'), _('Name, group if need be, fingerprint of the certificate.')]
		]);

		const advanced = tab('responder', _('Advanced'));
		fill(advanced, null, [['flag', 'enabled', _('Answer other agents'), _('Only those to which the controller gave leave.')]]);
		fill(advanced, 'enabled', [
			['text', 'port', _('Port'), null, 5105, 'port'],
			['bytes', 'max_bytes', _('Largest session (MB)'), null, 150e6, 1e6]
		]);
		fill(advanced, null, [
			['text', 'limits.parallel', _('Measurements for others at a time'), null, 4, 'range(1,16)'],
			['flag', 'plugins.enabled', _('Plug-ins: programs of your own')],
			['choice', 'log.level', _('Log'), null, [['info', _('what happens')], ['error', _('faults')], ['warn', _('warnings')], ['debug', _('details')]]]
		]);

		return m.render().then(node => page.frame(_('Settings'), [failed || '', node, danger()]));
	}
});
