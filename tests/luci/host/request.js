// SPDX-License-Identifier: Apache-2.0
'use strict';

return window.__host.Class.extend(window.__host.request);
